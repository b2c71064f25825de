"""The way in for tasks of other loops, without a store: interrupts, ends, and forks."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from soleowner import Actor, LoopPort, LoopStopped, MailboxClosed, OwnerCrashed

if TYPE_CHECKING:
    from tests.engine.conftest import ActorFactory

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class Elsewhere:
    """An actor on a loop in another thread, reached through a port from the loop of the test."""

    def __init__(self, actors: ActorFactory, loop: asyncio.AbstractEventLoop) -> None:
        self.actors = actors
        self.loop = loop
        self.thread = threading.Thread(target=loop.run_forever)
        self.thread.start()
        self.actor: Actor[list[object]] = self.run(actors.open())
        self.port: LoopPort[list[object]] = self.actor.loop_port()

    def run(self, work: Any) -> Any:
        """Do something on the actor's loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(300)

    def stop(self) -> None:
        """Stop the actor's loop, whatever is under way there."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(300)

    def close(self) -> None:
        """Close the actor and its loop, and leave nothing."""
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.actors.release)
            self.run(self.actor.aclose())
            self.stop()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.wait(tasks))
        self.loop.close()


@pytest.fixture
def elsewhere(actors_class: type[ActorFactory], loop_factory: LoopFactory) -> Iterator[Elsewhere]:
    """An open actor on its own loop."""
    elsewhere = Elsewhere(actors_class(), loop_factory())
    yield elsewhere
    elsewhere.close()


def note(elsewhere: Elsewhere, value: object) -> asyncio.Future[int]:
    """Send a note."""
    return elsewhere.port.ask(elsewhere.actors.note(value))


async def test_commands_of_one_loop_are_applied_in_order(elsewhere: Elsewhere) -> None:
    """However many: the actor's loop takes them in slices, and serves others in between."""
    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(hold(elsewhere), elsewhere.loop))
    stands_still, all_sent = threading.Event(), threading.Event()
    depths: list[int] = []

    async def watch() -> None:
        stands_still.set()  # the whole loop: all commands are there at once
        assert all_sent.wait(300)
        while not depths or depths[-1] < 1000:
            await asyncio.sleep(0)
            depths.append(elsewhere.actor.statistics().depth)
        elsewhere.actors.release()

    watched = asyncio.run_coroutine_threadsafe(watch(), elsewhere.loop)
    assert stands_still.wait(300)
    replies = [note(elsewhere, n) for n in range(1000)]
    all_sent.set()
    await asyncio.wrap_future(watched)
    assert await asyncio.gather(*replies) == [*range(2, 1002)]
    assert elsewhere.actors.state == ["held", *range(1000)]
    assert sorted({*depths} - {0}) == [256, 512, 768, 1000]
    assert elsewhere.actor.statistics().batches == 2


async def test_a_full_mailbox_makes_them_wait_in_line(
    actors_class: type[ActorFactory], loop_factory: LoopFactory
) -> None:
    """As on the actor's own loop; who gives up leaves nothing behind."""
    elsewhere = Elsewhere(actors_class(), loop_factory())
    elsewhere.run(elsewhere.actor.aclose())
    elsewhere.actor = elsewhere.run(elsewhere.actors.open(capacity=2))
    elsewhere.port = elsewhere.actor.loop_port()
    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(hold(elsewhere), elsewhere.loop))
    replies = [note(elsewhere, n) for n in range(50)]
    while elsewhere.actor.statistics().waiting < 48:
        await asyncio.sleep(0)
    for reply in replies[10:]:
        reply.cancel()
    elsewhere.loop.call_soon_threadsafe(elsewhere.actors.release)
    assert await asyncio.gather(*replies[:10]) == [*range(2, 12)]
    assert elsewhere.actors.state == ["held", *range(10)]
    gc.collect()
    assert not elsewhere.port._handed_over
    await asyncio.to_thread(elsewhere.close)


async def hold(elsewhere: Elsewhere) -> None:
    """Make the owner wait at its gate."""
    await elsewhere.actors.hold(elsewhere.actor)


async def test_a_crash_of_the_owner_answers_all(elsewhere: Elsewhere) -> None:
    """Those it had taken, those that wait, and those that come later."""
    port, actors = elsewhere.port, elsewhere.actors
    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(hold(elsewhere), elsewhere.loop))
    crash: asyncio.Future[Any] = port.ask(actors.fail(ZeroDivisionError()))
    replies = [crash, *(note(elsewhere, n) for n in "abc")]
    elsewhere.loop.call_soon_threadsafe(actors.release)
    got = await asyncio.gather(*replies, return_exceptions=True)
    assert {type(each) for each in got} == {OwnerCrashed}
    with pytest.raises(OwnerCrashed):
        note(elsewhere, 1)


async def test_an_interrupt_while_waking_hurts_nobody_else(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others count on the wake-up of the one that was interrupted."""
    struck: list[int] = []
    wake = elsewhere.loop.call_soon_threadsafe

    def interrupted(*args: Any, **named: Any) -> Any:
        if not struck:
            struck.append(1)
            with pytest.raises(KeyboardInterrupt):  # a second one finds the loop being woken
                raise KeyboardInterrupt
            others.append(note(elsewhere, "other"))
            raise KeyboardInterrupt
        return wake(*args, **named)

    others: list[asyncio.Future[int]] = []

    class Loop:
        """The actor's loop, as the port sees it."""

        call_soon = staticmethod(elsewhere.loop.call_soon)
        call_soon_threadsafe = staticmethod(interrupted)

    monkeypatch.setattr(elsewhere.port, "_loop", Loop())
    with pytest.raises(KeyboardInterrupt):
        note(elsewhere, "mine")
    place = await asyncio.wait_for(others[0], 300)
    # The owner may have begun with the one that was interrupted, or have dropped it.
    assert elsewhere.actors.state[:place] in (["other"], ["mine", "other"])


async def test_the_end_of_the_loop_answers_all(
    elsewhere: Elsewhere, loop_factory: LoopFactory
) -> None:
    """What the owner had begun is unknown; the rest had no effect. Afterwards all is refused."""
    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(hold(elsewhere), elsewhere.loop))
    elsewhere.stop()
    taken = note(elsewhere, "queued")
    elsewhere.port.end()
    with pytest.raises(MailboxClosed):
        await taken
    with pytest.raises(MailboxClosed):
        await note(elsewhere, "late")
    elsewhere.port.tell(lambda: pytest.fail("called after the end"))
    assert elsewhere.actors.state == []


async def test_a_command_that_was_begun_when_the_loop_ended_is_unknown(
    elsewhere: Elsewhere,
) -> None:
    """`LoopStopped`: it was applied whole, or not at all."""
    elsewhere.actors.runner.gate.clear()
    begun = note(elsewhere, "begun")
    while not elsewhere.actors.runner.at_gate.is_set():
        await asyncio.sleep(0)
    elsewhere.stop()
    elsewhere.port.end()
    with pytest.raises(LoopStopped):
        await begun


async def test_a_loop_that_was_closed_before_the_end_is_no_hang(elsewhere: Elsewhere) -> None:
    """A command sent in between is answered by `end`."""
    await asyncio.to_thread(elsewhere.close)
    port = elsewhere.port
    port._check = lambda: None  # the loop ended without the owner's knowledge
    between = note(elsewhere, "between")
    port.end()
    with pytest.raises(MailboxClosed):
        await between


async def test_a_forked_copy_wakes_nobody(elsewhere: Elsewhere) -> None:
    """The loop of the parent shares its pipe, and must not be touched."""
    woken: list[object] = []

    class Loop:
        call_soon_threadsafe = woken.append

    elsewhere.port._loop = Loop()  # type: ignore[assignment]  # as much as it needs
    elsewhere.port.forget()
    elsewhere.port.tell(lambda: None)
    assert not woken
