"""A caller may go away at any moment: its command is whole or not at all, and nobody else notices.

Guarantees 5.2: cancelled while its command is still queued, certainly no effect; after the owner
has taken it, whole or not at all. A deadline is `asyncio.timeout` around the call.
"""

from __future__ import annotations

import asyncio
import gc
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from soleowner import MailboxClosed, fail, succeed

if TYPE_CHECKING:
    from soleowner import Actor, Command

    from tests.engine.conftest import ActorFactory, State


async def call(actor: Actor[State], command: Command[State, int]) -> int:
    return await actor.ask(command)


async def test_a_caller_cancelled_while_queued_has_no_effect(actors: ActorFactory) -> None:
    """Guarantees 5.2: certainly no effect."""
    actor = await actors.open()
    await actors.hold(actor)
    caller = asyncio.create_task(call(actor, actors.note("queued")))
    await asyncio.sleep(0)
    assert actor.statistics().depth == 1

    caller.cancel()
    actors.release()
    await actor.ask(actors.note("after"))

    assert caller.cancelled()
    assert actors.state == ["held", "after"]


async def test_a_caller_cancelled_in_line_has_no_effect(actors: ActorFactory) -> None:
    """Guarantees 5.2, while it waits for a place."""
    actor = await actors.open(capacity=1)
    await actors.hold(actor)
    actor.ask(actors.note("queued"))
    caller = asyncio.create_task(call(actor, actors.note("in line")))
    await asyncio.sleep(0)
    assert actor.statistics().waiting == 1

    caller.cancel()
    actors.release()
    await actor.ask(actors.note("after"))

    assert caller.cancelled()
    assert actors.state == ["held", "queued", "after"]


async def test_a_deadline_is_a_timeout_around_the_call(actors: ActorFactory) -> None:
    """Guarantees 5.2; hazard 2 (cpython#86296): `asyncio.timeout` only."""
    actor = await actors.open()
    await actors.hold(actor)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await actor.ask(actors.note("too late"))

    actors.release()
    await actor.ask(actors.note("after"))
    assert actors.state == ["held", "after"]


@pytest.mark.parametrize("turns", range(6))
async def test_a_caller_cancelled_at_any_moment_is_served_whole_or_not(
    actors: ActorFactory, turns: int
) -> None:
    """Guarantees 5.2 and 5.3: between any two turns of the loop; the owner never dies of it."""
    actor = await actors.open(capacity=1)
    first = actor.ask(actors.note("first"))
    caller = asyncio.create_task(call(actor, actors.note("whole")))
    for _ in range(turns):
        await asyncio.sleep(0)

    caller.cancel()
    await asyncio.wait({caller})
    await actor.ask(actors.note("after"))

    assert await first == 1
    assert actors.state in (["first", "after"], ["first", "whole", "after"])
    assert caller.cancelled() or "whole" in actors.state


async def test_a_command_that_cancels_its_own_caller_does_not_end_the_owner(
    actors: ActorFactory,
) -> None:
    """Hazard 3 (websockets#634, aiosqlite#80, aio-pika#133): settling checks `done()`.

    The caller was there when the command began and is gone when its reply is ready.
    """
    actor = await actors.open()

    def cancel_my_caller() -> object:
        actors.state.append("applied")
        return caller.cancel()

    async def asking() -> object:
        return await actor.ask(actors.do(cancel_my_caller))

    caller = asyncio.create_task(asking())
    await asyncio.wait({caller})

    assert caller.cancelled()
    assert await actor.ask(actors.note("after")) == 2


async def test_an_error_for_a_caller_that_is_gone_does_not_end_the_owner(
    actors: ActorFactory,
) -> None:
    """Hazard 3, for `set_exception`."""
    actor = await actors.open()

    def cancel_my_caller() -> object:
        caller.cancel()
        raise ValueError

    async def asking() -> object:
        return await actor.ask(actors.do(cancel_my_caller))

    caller = asyncio.create_task(asking())
    await asyncio.wait({caller})

    assert caller.cancelled()
    assert await actor.ask(actors.note("after")) == 1


async def test_a_settled_request_stays_settled() -> None:
    """Hazard 3 (aiodataloader#55): `done()`, not only `cancelled()`."""
    reply: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    succeed(reply, 1)
    succeed(reply, 2)
    fail(reply, ValueError())

    assert await reply == 1


async def test_a_reply_nobody_awaits_does_not_end_the_owner(actors: ActorFactory) -> None:
    """Guarantees 5.3: the command is applied all the same."""
    actor = await actors.open()
    actor.ask(actors.note("forgotten"))
    gc.collect()

    assert await actor.ask(actors.note("after")) == 2
    assert actors.state == ["forgotten", "after"]


@pytest.mark.parametrize("capacity", [1, 2, 3])
@pytest.mark.parametrize("gone", [who for n in range(6) for who in combinations(range(5), n)])
async def test_callers_may_leave_the_line_from_any_position(
    actors: ActorFactory, gone: tuple[int, ...], capacity: int
) -> None:
    """Hazard 16 (cpython#112202, #90155): the rest is served in order, and nobody is lost."""
    actor = await actors.open(capacity=capacity)
    await actors.hold(actor)
    callers = [asyncio.create_task(call(actor, actors.note(n))) for n in range(5)]
    await asyncio.sleep(0)
    assert actor.statistics().waiting == 5 - capacity

    for n in gone:
        callers[n].cancel()
    actors.release()
    await asyncio.wait(callers)

    rest = [n for n in range(5) if n not in gone]
    assert actors.state == ["held", *rest]
    assert [callers[n].result() for n in rest] == [*range(2, 2 + len(rest))]
    assert all(callers[n].cancelled() for n in gone)


@pytest.mark.parametrize("capacity", [1, 2])
@pytest.mark.parametrize(("when", "who"), [*combinations(range(5), 2)])
async def test_callers_may_leave_just_when_their_place_is_free(
    actors: ActorFactory, when: int, who: int, capacity: int
) -> None:
    """Hazard 16 (cpython#111693): the hand-off survives the cancellation of who was told.

    While command `when` is applied, those behind it have moved up into the mailbox.
    """
    actor = await actors.open(capacity=capacity)
    replies: list[asyncio.Future[object]] = []

    def apply(n: int) -> object:
        actors.state.append(n)
        return n == when and replies[who].cancel()

    replies += [actor.ask(actors.do(partial(apply, n))) for n in range(5)]
    await asyncio.wait(replies)

    assert actors.state == [n for n in range(5) if n != who]
    assert [n for n in range(5) if replies[n].cancelled()] == [who]


async def test_a_freed_place_in_the_mailbox_goes_to_the_next_waiter(actors: ActorFactory) -> None:
    """Hazard 16: everyone in front is gone, and the last one need not ask again."""
    actor = await actors.open(capacity=1)
    await actors.hold(actor)
    replies = [actor.ask(actors.note(n)) for n in range(100)]

    for reply in replies[:-1]:
        reply.cancel()
    actors.release()

    assert await replies[-1] == 2
    assert actors.state == ["held", 99]


async def test_a_cancelled_owner_answers_a_caller_that_catches_its_own_cancellation(
    actors: ActorFactory,
) -> None:
    """Guarantees 13.2: nobody waits for ever, not even in a `finally`."""
    actor = await actors.open()
    await actors.hold(actor)

    async def stubborn() -> None:
        try:
            await actor.ask(actors.note("first"))
        except asyncio.CancelledError:
            await actor.ask(actors.note("second"))

    caller = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.sleep(0)
    actors.owner().cancel()

    with pytest.raises(MailboxClosed):
        await caller
    assert actors.state == []
