"""Closing whenever: everyone is answered, and the runner lets go exactly once.

Guarantees 13.1: `aclose()` refuses new commands, finishes queued ones, stops. Idempotent.
`aclose(timeout=…)` answers what is left with `MailboxClosed`: certainly not applied.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from soleowner import MailboxClosed, OwnerCrashed

if TYPE_CHECKING:
    from tests.engine.conftest import ActorFactory


async def test_closing_finishes_what_is_queued_and_refuses_the_rest(actors: ActorFactory) -> None:
    """Guarantees 13.1: those in line are served too; hazard 5: refused from the very first step."""
    actor = await actors.open(capacity=2)
    await actors.hold(actor)
    replies = [actor.ask(actors.note(n)) for n in range(5)]
    closing = asyncio.create_task(actor.aclose())
    await asyncio.sleep(0)

    assert actor.statistics().state == "closing"
    with pytest.raises(MailboxClosed):
        actor.ask(actors.note("too late"))
    with pytest.raises(MailboxClosed):
        actor.ask_nowait(actors.note("too late"))
    actors.release()
    await closing

    assert [reply.result() for reply in replies] == [2, 3, 4, 5, 6]
    assert actors.state == ["held", *range(5)]
    assert actor.statistics().state == "closed"
    with pytest.raises(MailboxClosed):
        actor.ask(actors.note("too late"))


async def test_closing_an_idle_actor_stops_it(actors: ActorFactory) -> None:
    """Guarantees 13.1."""
    async with actors.actor() as actor:
        await actor.ask(actors.note(1))

    assert actor.statistics().state == "closed"
    assert actors.runner.events == ["open", "closing", "closed"]


async def test_an_error_in_the_body_still_finishes_what_is_queued(actors: ActorFactory) -> None:
    """Leaving the context closes, whatever the reason, and hides nothing."""
    replies: list[asyncio.Future[int]] = []

    async def use() -> None:
        async with actors.actor(capacity=1) as actor:
            replies.extend(actor.ask(actors.note(n)) for n in range(3))
            raise KeyError

    with pytest.raises(KeyError):
        await use()

    assert [reply.result() for reply in replies] == [1, 2, 3]


async def test_closing_again_does_nothing(actors: ActorFactory) -> None:
    """Guarantees 13.1: idempotent."""
    actor = await actors.open()
    for timeout in (None, 0, None):
        await actor.aclose(timeout=timeout)

    assert actors.runner.events == ["open", "closing", "closed"]


async def test_everyone_who_closes_waits_until_it_is_closed(actors: ActorFactory) -> None:
    """Guarantees 13.1: idempotent does not mean that the second one returns early."""
    actor = await actors.open(capacity=1)
    await actors.hold(actor)
    replies = [actor.ask(actors.note(n)) for n in range(3)]

    async def close() -> list[bool]:
        await actor.aclose()
        return [reply.done() for reply in replies]

    closing = [asyncio.create_task(close()) for _ in range(3)]
    await asyncio.sleep(0)
    actors.release()

    assert await asyncio.gather(*closing) == [[True] * 3] * 3
    assert actors.runner.events == ["open", "closing", "closed"]


async def test_commands_left_after_the_timeout_are_answered_but_not_applied(
    actors: ActorFactory,
) -> None:
    """Guarantees 13.1 and 4.1: in hand, in the mailbox, in line."""
    actor = await actors.open(capacity=2)
    held = await actors.hold(actor)
    replies = [held, *(actor.ask(actors.note(n)) for n in range(5))]

    await actor.aclose(timeout=0)

    assert [type(reply.exception()) for reply in replies] == [MailboxClosed] * 6
    assert actors.state == []
    assert actor.statistics().state == "closed"
    assert actors.runner.events == ["open", "closing", "closed"]


async def test_a_timeout_that_does_not_pass_changes_nothing(actors: ActorFactory) -> None:
    """Guarantees 13.1."""
    actor = await actors.open(capacity=1)
    replies = [actor.ask(actors.note(n)) for n in range(5)]

    await actor.aclose(timeout=3600)

    assert [reply.result() for reply in replies] == [1, 2, 3, 4, 5]


async def test_the_shortest_of_several_timeouts_counts(actors: ActorFactory) -> None:
    """A caller that would wait forever is released, too."""
    actor = await actors.open()
    held = await actors.hold(actor)
    patient = asyncio.create_task(actor.aclose())
    await asyncio.sleep(0)

    await asyncio.gather(*(actor.aclose(timeout=0) for _ in range(3)))
    await patient

    assert isinstance(held.exception(), MailboxClosed)
    assert actors.runner.events == ["open", "closing", "closed"]


async def test_a_timeout_does_not_interrupt_the_closing_of_the_runner(actors: ActorFactory) -> None:
    """All is answered by then; a thread half joined or a file half closed helps nobody."""
    actor = await actors.open()
    actors.runner.exit.clear()
    closing = [asyncio.create_task(actor.aclose(timeout=0)) for _ in range(3)]
    await actors.runner.at_exit.wait()
    closing += [asyncio.create_task(actor.aclose(timeout=0)) for _ in range(3)]
    await asyncio.wait(closing, timeout=0)

    actors.runner.exit.set()
    await asyncio.gather(*closing)

    assert actors.runner.events == ["open", "closing", "closed"]


async def test_cancelling_a_close_does_not_stop_the_draining(actors: ActorFactory) -> None:
    """Guarantees 13.1, cancelled while it waits: queued commands are still finished."""
    actor = await actors.open(capacity=1)
    await actors.hold(actor)
    replies = [actor.ask(actors.note(n)) for n in range(3)]
    closing = asyncio.create_task(actor.aclose())
    await asyncio.sleep(0)

    closing.cancel()
    await asyncio.wait({closing})
    with pytest.raises(MailboxClosed):
        actor.ask(actors.note("too late"))
    actors.release()
    await actor.aclose()

    assert closing.cancelled()
    assert [reply.result() for reply in replies] == [2, 3, 4]


async def test_closing_does_not_swallow_a_cancellation(actors: ActorFactory) -> None:
    """Hazard 2 (cpython#86296): also when it arrives in the turn in which the owner ends."""
    actor = await actors.open()
    await actors.hold(actor)
    closing = asyncio.create_task(actor.aclose(timeout=3600))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    actors.owner().add_done_callback(lambda _: closing.cancel())
    actors.release()
    await asyncio.wait({closing})

    assert closing.cancelled()


@pytest.mark.parametrize(
    "ending", ["close", "time out", "crash", "crash while closing", "be cancelled", "twice"]
)
async def test_the_runner_closes_once_however_the_actor_ends(
    actors: ActorFactory, ending: str
) -> None:
    """`Runner.aclose`: called once, after the last batch."""
    actor = await actors.open(capacity=1)
    await actors.hold(actor)
    replies = [actor.ask(actors.fail(KeyError("bug") if "crash" in ending else ValueError()))]
    replies += [actor.ask(actors.do(lambda: 1)) for _ in range(3)]

    match ending:
        case "time out":
            await actor.aclose(timeout=0)
        case "be cancelled":
            actors.owner().cancel()
        case "crash":
            actors.release()
            await asyncio.wait(replies)
        case _:
            closing = [asyncio.create_task(actor.aclose()) for _ in range(2)]
            await asyncio.sleep(0)
            actors.release()
            await asyncio.gather(*closing)
    await actor.aclose()

    assert all(isinstance(reply.exception(), Exception) for reply in replies[:1])
    assert all(reply.done() and (reply.exception() or reply.result()) for reply in replies)
    assert actors.runner.events == ["open", "closing", "closed"]


async def test_a_crash_stays_a_crash_when_it_is_closed(actors: ActorFactory) -> None:
    """Later callers go on hearing why."""
    actor = await actors.open()
    await asyncio.wait({actor.ask(actors.fail(KeyError("bug")))})
    await actor.aclose()

    assert actor.statistics().state == "crashed"
    with pytest.raises(OwnerCrashed):
        actor.ask(actors.note(1))


async def test_a_timeout_that_is_no_number_closes_nothing(actors: ActorFactory) -> None:
    """Wrong types are `TypeError` at the call, and the actor goes on."""
    actor = await actors.open()
    with pytest.raises(TypeError):
        await actor.aclose(timeout="soon")  # type: ignore[arg-type]  # what is tested
    assert actor.statistics().state == "open"
