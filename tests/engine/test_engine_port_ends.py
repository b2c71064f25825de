"""What ends a thread's waiting when there is no reply: never nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from soleowner import (
    Actor,
    MailboxClosed,
)

if TYPE_CHECKING:
    from tests.conftest import Crowd
    from tests.engine.conftest import Bench

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


async def waiting(actor: Actor[Any], count: int = 1) -> None:
    """Go on when so many commands are in the mailbox."""
    while actor.statistics().depth + actor.statistics().waiting < count:
        await asyncio.sleep(0)


async def outcome(asked: Any) -> Any:
    """The value or the error of what a thread does."""
    return (await asyncio.gather(asyncio.wrap_future(asked), return_exceptions=True))[0]


async def test_a_timeout_withdraws_a_queued_command(bench: Bench, crowd: Crowd) -> None:
    """Still queued: certainly no effect. The next thread is served."""
    actor = await bench.open()
    port = actor.port()
    await bench.hold(actor)
    assert isinstance(
        (await crowd.do(lambda: port.ask(bench.note("late"), timeout=0.01)))[0], TimeoutError
    )
    bench.release()
    assert await crowd.do(lambda: port.ask(bench.note("next"))) == [2]
    assert bench.state == ["held", "next"]
    assert not port._handed_over


async def test_a_timeout_before_the_crossing_leaves_nothing(bench: Bench, crowd: Crowd) -> None:
    """While the loop stands still: no effect, and threads that try again pile nothing up."""
    port = (await bench.open()).port()
    asked = [crowd.begin(lambda: port.ask(bench.note("no"), timeout=0.01)) for _ in range(20)]
    crowd.until(lambda: all(each.done() for each in asked))  # the loop stands still
    assert {type(each.exception()) for each in asked} == {TimeoutError}
    assert not port._calls
    assert await crowd.do(lambda: port.ask(bench.note("yes"))) == [1]


@pytest.mark.parametrize("timeout", [0, 0.0])
async def test_a_timeout_of_zero_gives_a_timeout_or_a_reply(
    bench: Bench, crowd: Crowd, timeout: float
) -> None:
    """Whole or not at all, whichever it is."""
    port = (await bench.open()).port()
    got = await crowd.do(*[lambda: port.ask(bench.note(1), timeout=timeout)] * 8)
    served = sum(not isinstance(each, TimeoutError) for each in got)
    assert len(bench.state) >= served


@pytest.mark.parametrize(
    ("timeout", "kind"), [("1", TypeError), (True, TypeError), (-1, ValueError)]
)
async def test_a_timeout_is_a_number_of_seconds(
    bench: Bench, crowd: Crowd, timeout: Any, kind: type[Exception]
) -> None:
    """Wrong use is told at the call; nothing crosses."""
    port = (await bench.open()).port()
    (got,) = await crowd.do(lambda: port.ask(bench.note(1), timeout=timeout))
    assert type(got) is kind
    assert bench.state == []


async def test_closing_the_actor_answers_waiting_threads(bench: Bench, crowd: Crowd) -> None:
    """Queued commands are finished; later ones refused, in the calling thread already."""
    actor = await bench.open()
    port = actor.port()
    held = await bench.hold(actor)
    asked = crowd.begin(lambda: port.ask(bench.note("queued")))
    await waiting(actor)
    closing = asyncio.create_task(actor.aclose())
    await asyncio.sleep(0)
    late = await crowd.do(lambda: port.ask(bench.note("late")))
    bench.release()
    await closing
    assert (await held, await outcome(asked)) == (1, 2)
    assert [type(each) for each in late] == [MailboxClosed]


async def test_closing_with_a_deadline_answers_every_waiting_caller(
    bench: Bench, crowd: Crowd
) -> None:
    """With a timeout: certainly not applied."""
    actor = await bench.open()
    port = actor.port()
    held = await bench.hold(actor)
    asked = crowd.begin(lambda: port.ask(bench.note("left")))
    await waiting(actor)
    await actor.aclose(timeout=0)
    assert isinstance(await outcome(asked), MailboxClosed)
    assert isinstance(held.exception(), MailboxClosed)
    assert bench.state == []


async def test_a_closed_port_refuses_and_its_actor_goes_on(bench: Bench, crowd: Crowd) -> None:
    """Idempotent; another port of the same actor is open."""
    actor = await bench.open()
    port, other = actor.port(), actor.port()
    port.close()
    port.close()
    got = await crowd.do(lambda: port.ask(bench.note(1)))
    assert [type(each) for each in got] == [MailboxClosed]
    assert await crowd.do(lambda: other.ask(bench.note(1))) == [1]


async def test_a_port_needs_an_open_actor(bench: Bench) -> None:
    """Wrong use is told when it is made."""
    actor = bench.actor()
    with pytest.raises(RuntimeError, match="async with"):
        actor.port()
    await actor.aclose()
    with pytest.raises(MailboxClosed):
        actor.port()
