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
    from tests.engine.conftest import Bench


async def test_closing_finishes_what_is_queued_and_refuses_the_rest(bench: Bench) -> None:
    """Guarantees 13.1: those in line are served too; hazard 5: refused from the very first step."""
    actor = await bench.open(capacity=2)
    await bench.hold(actor)
    replies = [actor.ask(bench.note(n)) for n in range(5)]
    closing = asyncio.create_task(actor.aclose())
    await asyncio.sleep(0)

    assert actor.statistics().state == "closing"
    with pytest.raises(MailboxClosed):
        actor.ask(bench.note("too late"))
    with pytest.raises(MailboxClosed):
        actor.ask_nowait(bench.note("too late"))
    bench.release()
    await closing

    assert [reply.result() for reply in replies] == [2, 3, 4, 5, 6]
    assert bench.state == ["held", *range(5)]
    assert actor.statistics().state == "closed"
    with pytest.raises(MailboxClosed):
        actor.ask(bench.note("too late"))


async def test_closing_an_idle_actor_stops_it(bench: Bench) -> None:
    """Guarantees 13.1."""
    async with bench.actor() as actor:
        await actor.ask(bench.note(1))

    assert actor.statistics().state == "closed"
    assert bench.runner.events == ["open", "closing", "closed"]


async def test_an_error_in_the_body_still_finishes_what_is_queued(bench: Bench) -> None:
    """Leaving the context closes, whatever the reason, and hides nothing."""
    replies: list[asyncio.Future[int]] = []

    async def use() -> None:
        async with bench.actor(capacity=1) as actor:
            replies.extend(actor.ask(bench.note(n)) for n in range(3))
            raise KeyError

    with pytest.raises(KeyError):
        await use()

    assert [reply.result() for reply in replies] == [1, 2, 3]


async def test_closing_again_does_nothing(bench: Bench) -> None:
    """Guarantees 13.1: idempotent."""
    actor = await bench.open()
    for timeout in (None, 0, None):
        await actor.aclose(timeout=timeout)

    assert bench.runner.events == ["open", "closing", "closed"]


async def test_everyone_who_closes_waits_until_it_is_closed(bench: Bench) -> None:
    """Guarantees 13.1: idempotent does not mean that the second one returns early."""
    actor = await bench.open(capacity=1)
    await bench.hold(actor)
    replies = [actor.ask(bench.note(n)) for n in range(3)]

    async def close() -> list[bool]:
        await actor.aclose()
        return [reply.done() for reply in replies]

    closing = [asyncio.create_task(close()) for _ in range(3)]
    await asyncio.sleep(0)
    bench.release()

    assert await asyncio.gather(*closing) == [[True] * 3] * 3
    assert bench.runner.events == ["open", "closing", "closed"]


async def test_commands_left_after_the_timeout_are_answered_but_not_applied(bench: Bench) -> None:
    """Guarantees 13.1 and 4.1: in hand, in the mailbox, in line."""
    actor = await bench.open(capacity=2)
    held = await bench.hold(actor)
    replies = [held, *(actor.ask(bench.note(n)) for n in range(5))]

    await actor.aclose(timeout=0)

    assert [type(reply.exception()) for reply in replies] == [MailboxClosed] * 6
    assert bench.state == []
    assert actor.statistics().state == "closed"
    assert bench.runner.events == ["open", "closing", "closed"]


async def test_a_timeout_that_does_not_pass_changes_nothing(bench: Bench) -> None:
    """Guarantees 13.1."""
    actor = await bench.open(capacity=1)
    replies = [actor.ask(bench.note(n)) for n in range(5)]

    await actor.aclose(timeout=3600)

    assert [reply.result() for reply in replies] == [1, 2, 3, 4, 5]


async def test_the_shortest_of_several_timeouts_counts(bench: Bench) -> None:
    """Who would wait for ever is released as well."""
    actor = await bench.open()
    held = await bench.hold(actor)
    patient = asyncio.create_task(actor.aclose())
    await asyncio.sleep(0)

    await asyncio.gather(*(actor.aclose(timeout=0) for _ in range(3)))
    await patient

    assert isinstance(held.exception(), MailboxClosed)
    assert bench.runner.events == ["open", "closing", "closed"]


async def test_a_timeout_does_not_interrupt_the_closing_of_the_runner(bench: Bench) -> None:
    """All is answered by then; a thread half joined or a file half closed helps nobody."""
    actor = await bench.open()
    bench.runner.exit.clear()
    closing = [asyncio.create_task(actor.aclose(timeout=0)) for _ in range(3)]
    await bench.runner.at_exit.wait()
    closing += [asyncio.create_task(actor.aclose(timeout=0)) for _ in range(3)]
    await asyncio.wait(closing, timeout=0)

    bench.runner.exit.set()
    await asyncio.gather(*closing)

    assert bench.runner.events == ["open", "closing", "closed"]


async def test_cancelling_a_close_does_not_stop_the_draining(bench: Bench) -> None:
    """Guarantees 13.1, cancelled while it waits: what was queued is finished all the same."""
    actor = await bench.open(capacity=1)
    await bench.hold(actor)
    replies = [actor.ask(bench.note(n)) for n in range(3)]
    closing = asyncio.create_task(actor.aclose())
    await asyncio.sleep(0)

    closing.cancel()
    await asyncio.wait({closing})
    with pytest.raises(MailboxClosed):
        actor.ask(bench.note("too late"))
    bench.release()
    await actor.aclose()

    assert closing.cancelled()
    assert [reply.result() for reply in replies] == [2, 3, 4]


async def test_closing_does_not_swallow_a_cancellation(bench: Bench) -> None:
    """Hazard 2 (cpython#86296): also when it arrives in the turn in which the owner ends."""
    actor = await bench.open()
    await bench.hold(actor)
    closing = asyncio.create_task(actor.aclose(timeout=3600))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    bench.owner().add_done_callback(lambda _: closing.cancel())
    bench.release()
    await asyncio.wait({closing})

    assert closing.cancelled()


@pytest.mark.parametrize(
    "ending", ["close", "time out", "crash", "crash while closing", "be cancelled", "twice"]
)
async def test_the_runner_closes_once_however_the_actor_ends(bench: Bench, ending: str) -> None:
    """`Runner.aclose`: called once, after the last batch."""
    actor = await bench.open(capacity=1)
    await bench.hold(actor)
    replies = [actor.ask(bench.fail(KeyError("bug") if "crash" in ending else ValueError()))]
    replies += [actor.ask(bench.do(lambda: 1)) for _ in range(3)]

    match ending:
        case "time out":
            await actor.aclose(timeout=0)
        case "be cancelled":
            bench.owner().cancel()
        case "crash":
            bench.release()
            await asyncio.wait(replies)
        case _:
            closing = [asyncio.create_task(actor.aclose()) for _ in range(2)]
            await asyncio.sleep(0)
            bench.release()
            await asyncio.gather(*closing)
    await actor.aclose()

    assert all(isinstance(reply.exception(), Exception) for reply in replies[:1])
    assert all(reply.done() and (reply.exception() or reply.result()) for reply in replies)
    assert bench.runner.events == ["open", "closing", "closed"]


async def test_a_crash_stays_a_crash_when_it_is_closed(bench: Bench) -> None:
    """Later callers go on hearing why."""
    actor = await bench.open()
    await asyncio.wait({actor.ask(bench.fail(KeyError("bug")))})
    await actor.aclose()

    assert actor.statistics().state == "crashed"
    with pytest.raises(OwnerCrashed):
        actor.ask(bench.note(1))


async def test_a_timeout_that_is_no_number_closes_nothing(bench: Bench) -> None:
    """Wrong types are `TypeError` at the call, and the actor goes on."""
    actor = await bench.open()
    with pytest.raises(TypeError):
        await actor.aclose(timeout="soon")  # type: ignore[arg-type]  # what is tested
    assert actor.statistics().state == "open"
