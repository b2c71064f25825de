"""However a runner's own thread comes to its end: nobody waits for ever, nothing is left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from soleowner import MailboxClosed, OwnerCrashed

if TYPE_CHECKING:
    from tests.engine.conftest import ActorFactory, ThreadedActor

    LoopFactory = Callable[[], asyncio.AbstractEventLoop]


async def outcomes(replies: Sequence[asyncio.Future[Any]]) -> list[object]:
    """Values, and the errors' classes."""
    got = await asyncio.gather(*replies, return_exceptions=True)
    return [type(each) if isinstance(each, BaseException) else each for each in got]


def owners() -> list[threading.Thread]:
    """Threads of runners that are there."""
    return [thread for thread in threading.enumerate() if thread.name == "owner"]


def ended() -> bool:
    """Whether every runner's thread comes to its end now."""
    threads = owners()
    for thread in threads:
        thread.join(300)
    return not any(thread.is_alive() for thread in threads)


async def test_closing_in_the_middle_of_a_batch_interrupts_it(
    threaded: ThreadedActor, actors: ActorFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Applied commands are kept and answered; the others are answered with `MailboxClosed`."""
    monkeypatch.setattr("soleowner.thread_runner._HURRY", 300.0)  # it comes back, however late
    await threaded.actor.open()
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait() -> object:
        loop.call_soon_threadsafe(begun.set)
        assert threaded.storage.interrupted.wait(1800)
        actors.state.append("waited")
        return "waited"

    replies: list[asyncio.Future[Any]] = [threaded.actor.ask(actors.do(wait))]
    replies += [threaded.actor.ask(actors.note(n)) for n in range(3)]
    await begun.wait()
    await threaded.actor.aclose(timeout=0)
    assert await outcomes(replies) == ["waited", *[MailboxClosed] * 3]
    assert threaded.storage.kept == ["waited"]
    assert ended()


async def test_a_thread_that_never_returns_blocks_nobody(
    actors: ActorFactory, threaded_class: type[ThreadedActor]
) -> None:
    """Hazard 12: the answer "certainly not applied" stays true, whenever the thread returns."""
    threaded = threaded_class(actors, grace=0.05)
    await threaded.actor.open()
    threaded.storage.hold.clear()
    replies = [threaded.actor.ask(actors.note(n)) for n in range(2)]
    while "begin" not in threaded.storage.calls:
        await asyncio.sleep(0)
    await threaded.actor.aclose(timeout=0)
    assert await outcomes(replies) == [MailboxClosed] * 2
    threaded.storage.hold.set()
    assert ended()
    assert threaded.storage.kept == []
    assert "commit" not in threaded.storage.calls
    assert threaded.storage.calls[-3:] == ["rollback", "tidy", "close"]


async def test_a_hanging_commit_has_an_unknown_outcome(
    actors: ActorFactory, threaded_class: type[ThreadedActor]
) -> None:
    """It has begun, and may be applied: "certainly not applied" would be a guess."""
    threaded = threaded_class(actors, grace=0.05)
    await threaded.actor.open()
    threaded.storage.hold_commit.clear()
    replies = [threaded.actor.ask(actors.note(n)) for n in range(2)]
    while "commit" not in threaded.storage.calls:
        await asyncio.sleep(0)
    await threaded.actor.aclose(timeout=0)
    assert await outcomes(replies) == [LookupError] * 2
    threaded.storage.hold_commit.set()
    assert ended()
    assert threaded.storage.kept == [0, 1]


@pytest.mark.parametrize("where", ["hold", "hold_commit"])
async def test_a_deadline_of_closing_bounds_the_wait_for_the_thread(
    actors: ActorFactory, threaded_class: type[ThreadedActor], where: str
) -> None:
    """The grace is for those who set no deadline; with one, a hung thread is left at once."""
    threaded = threaded_class(actors, grace=3600.0)
    await threaded.actor.open()
    held: threading.Event = getattr(threaded.storage, where)
    held.clear()
    reply = threaded.actor.ask(actors.note(0))
    while {"hold": "begin", "hold_commit": "commit"}[where] not in threaded.storage.calls:
        await asyncio.sleep(0)
    async with asyncio.timeout(300):
        await threaded.actor.aclose(timeout=0.01)
    assert (await outcomes([reply]))[0] in (MailboxClosed, LookupError)
    held.set()
    assert ended()


async def test_a_deadline_reaches_a_closing_that_waits_already(
    actors: ActorFactory, threaded_class: type[ThreadedActor]
) -> None:
    """The thread is closing the storage when the deadline passes, and does not come back."""
    threaded = threaded_class(actors, grace=3600.0)
    threaded.storage.hold_close.clear()
    await threaded.actor.open()
    patient = asyncio.create_task(threaded.actor.aclose())
    while "close" not in threaded.storage.calls:
        await asyncio.sleep(0)
    async with asyncio.timeout(300):
        await threaded.actor.aclose(timeout=0.01)
        await patient
    threaded.storage.hold_close.set()
    assert ended()


@pytest.mark.parametrize("where", ["tidy", "rollback"])
async def test_a_storage_that_breaks_its_contract_crashes_the_owner_only(
    threaded: ThreadedActor, actors: ActorFactory, where: str
) -> None:
    """It must not raise there. The thread would end with it, and nobody be answered any more."""
    threaded.storage.fails = {where, "commit"} if where == "rollback" else {where}
    await threaded.actor.open()
    with pytest.raises(OwnerCrashed):
        await threaded.actor.ask(actors.note("a"))
    assert threaded.actor.statistics().state == "crashed"
    await threaded.actor.aclose()
    assert ended()
    assert threaded.storage.calls[-1] == "close"


async def test_an_opening_that_fails_leaves_no_thread(threaded: ThreadedActor) -> None:
    """Its error is raised by `open`."""
    threaded.storage.fails = {"open"}
    with pytest.raises(threaded.StorageError):
        await threaded.actor.open()
    assert ended()
    assert threaded.storage.calls == ["open"]


async def test_an_opening_that_is_cancelled_closes_what_it_opened(threaded: ThreadedActor) -> None:
    """It ends its thread."""
    threaded.storage.hold.clear()
    opening = asyncio.create_task(threaded.actor.open())
    while not owners():
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.sleep(0)
    assert threaded.storage.interrupted.wait(1800)
    threaded.storage.hold.set()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert ended()  # on a busy machine it may come later than it is waited for
    assert threaded.storage.calls[-1] == "close"


def test_a_loop_closed_under_a_working_thread_ends_it(
    actors_class: type[ActorFactory], threaded_class: type[ThreadedActor], loop_factory: LoopFactory
) -> None:
    """Hazard 12 (aiosqlite#290, #387): nothing is raised on the thread, the storage is closed."""
    loop = loop_factory()
    actors = actors_class()
    threaded = threaded_class(actors)
    loop.run_until_complete(threaded.actor.open())
    threaded.storage.hold.clear()

    async def ask() -> None:
        threaded.actor.ask(actors.note("a"))
        while "begin" not in threaded.storage.calls:
            await asyncio.sleep(0)

    loop.run_until_complete(ask())
    assert len(owners()) == 1
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # abandoned on purpose
    loop.close()
    threaded.storage.hold.set()
    assert ended()
    assert threaded.storage.kept == ["a"]
    assert threaded.storage.calls[-1] == "close"
