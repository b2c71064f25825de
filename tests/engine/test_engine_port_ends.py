"""The ends of a thread's wait without a reply: it never waits forever."""

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
    from tests.engine.conftest import ActorFactory
    from tests.support.thread_group import ThreadGroup

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


async def waiting(actor: Actor[Any], count: int = 1) -> None:
    """Go on when so many commands are in the mailbox."""
    while actor.statistics().depth + actor.statistics().waiting < count:
        await asyncio.sleep(0)


async def outcome(asked: Any) -> Any:
    """The value or the error of what a thread does."""
    return (await asyncio.gather(asyncio.wrap_future(asked), return_exceptions=True))[0]


async def test_a_timeout_withdraws_a_queued_command(
    actors: ActorFactory, thread_group: ThreadGroup
) -> None:
    """Still queued: certainly no effect. The next thread is served."""
    actor = await actors.open()
    port = actor.port()
    await actors.hold(actor)
    assert isinstance(
        (await thread_group.do(lambda: port.ask(actors.note("late"), timeout=0.01)))[0],
        TimeoutError,
    )
    actors.release()
    assert await thread_group.do(lambda: port.ask(actors.note("next"))) == [2]
    assert actors.state == ["held", "next"]
    assert not port._handed_over


async def test_a_timeout_before_the_crossing_leaves_nothing(
    actors: ActorFactory, thread_group: ThreadGroup
) -> None:
    """While the loop stands still: no effect, and threads that try again pile nothing up."""
    port = (await actors.open()).port()
    asked = [
        thread_group.begin(lambda: port.ask(actors.note("no"), timeout=0.01)) for _ in range(20)
    ]
    thread_group.until(lambda: all(each.done() for each in asked))  # the loop stands still
    assert {type(each.exception()) for each in asked} == {TimeoutError}
    assert not port._calls
    assert await thread_group.do(lambda: port.ask(actors.note("yes"))) == [1]


@pytest.mark.parametrize("timeout", [0, 0.0])
async def test_a_timeout_of_zero_gives_a_timeout_or_a_reply(
    actors: ActorFactory, thread_group: ThreadGroup, timeout: float
) -> None:
    """Whole or not at all, whichever it is."""
    port = (await actors.open()).port()
    got = await thread_group.do(*[lambda: port.ask(actors.note(1), timeout=timeout)] * 8)
    served = sum(not isinstance(each, TimeoutError) for each in got)
    assert len(actors.state) >= served


@pytest.mark.parametrize(
    ("timeout", "kind"), [("1", TypeError), (True, TypeError), (-1, ValueError)]
)
async def test_a_timeout_is_a_number_of_seconds(
    actors: ActorFactory, thread_group: ThreadGroup, timeout: Any, kind: type[Exception]
) -> None:
    """Wrong use raises at the call; nothing is sent."""
    port = (await actors.open()).port()
    (got,) = await thread_group.do(lambda: port.ask(actors.note(1), timeout=timeout))
    assert type(got) is kind
    assert actors.state == []


async def test_closing_the_actor_answers_waiting_threads(
    actors: ActorFactory, thread_group: ThreadGroup
) -> None:
    """Queued commands are finished; later ones refused, in the calling thread already."""
    actor = await actors.open()
    port = actor.port()
    held = await actors.hold(actor)
    asked = thread_group.begin(lambda: port.ask(actors.note("queued")))
    await waiting(actor)
    closing = asyncio.create_task(actor.aclose())
    await asyncio.sleep(0)
    late = await thread_group.do(lambda: port.ask(actors.note("late")))
    actors.release()
    await closing
    assert (await held, await outcome(asked)) == (1, 2)
    assert [type(each) for each in late] == [MailboxClosed]


async def test_closing_with_a_deadline_answers_every_waiting_caller(
    actors: ActorFactory, thread_group: ThreadGroup
) -> None:
    """With a timeout: certainly not applied."""
    actor = await actors.open()
    port = actor.port()
    held = await actors.hold(actor)
    asked = thread_group.begin(lambda: port.ask(actors.note("left")))
    await waiting(actor)
    await actor.aclose(timeout=0)
    assert isinstance(await outcome(asked), MailboxClosed)
    assert isinstance(held.exception(), MailboxClosed)
    assert actors.state == []


async def test_a_closed_port_refuses_and_its_actor_goes_on(
    actors: ActorFactory, thread_group: ThreadGroup
) -> None:
    """Idempotent; another port of the same actor is open."""
    actor = await actors.open()
    port, other = actor.port(), actor.port()
    port.close()
    port.close()
    got = await thread_group.do(lambda: port.ask(actors.note(1)))
    assert [type(each) for each in got] == [MailboxClosed]
    assert await thread_group.do(lambda: other.ask(actors.note(1))) == [1]


async def test_a_port_needs_an_open_actor(actors: ActorFactory) -> None:
    """Wrong use raises when the port is made."""
    actor = actors.actor()
    with pytest.raises(RuntimeError, match="async with"):
        actor.port()
    await actor.aclose()
    with pytest.raises(MailboxClosed):
        actor.port()
