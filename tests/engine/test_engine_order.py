"""One total order: the order of the calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.engine.conftest import ActorFactory


async def test_commands_are_applied_in_the_order_of_asking(actors: ActorFactory) -> None:
    """The global order: the first command is served first, and every caller gets its own reply."""
    actor = await actors.open(capacity=3)

    replies = [actor.ask(actors.note(n)) for n in range(100)]

    assert await asyncio.gather(*replies) == [*range(1, 101)]
    assert actors.state == [*range(100)]


async def test_callers_are_answered_in_the_order_of_asking(actors: ActorFactory) -> None:
    """Replies are settled in order, in line or not."""
    actor = await actors.open(capacity=3)
    answered: list[int] = []

    async def caller(n: int) -> None:
        await actor.ask(actors.note(n))
        answered.append(n)

    await asyncio.gather(*(caller(n) for n in range(50)))

    assert answered == [*range(50)] == actors.state


async def test_ten_thousand_callers_on_a_mailbox_of_1024_are_served_in_order(
    actors: ActorFactory,
) -> None:
    """Guarantees 6.3: a full mailbox makes callers wait in order."""
    actor = await actors.open(capacity=1024)

    async def caller(n: int) -> int:
        return await actor.ask(actors.note(n))

    replies = await asyncio.gather(*(caller(n) for n in range(10_000)))

    assert replies == [*range(1, 10_001)]
    assert actors.state == [*range(10_000)]
    assert actor.statistics().largest_batch == 1024


@pytest.mark.parametrize("capacity", [1, 4, 1024])
async def test_each_caller_sees_its_own_commands_in_order(
    actors: ActorFactory, capacity: int
) -> None:
    """First in, first out for every caller, one command after the other or all at once."""
    actor = await actors.open(capacity=capacity)

    async def one_by_one(name: str) -> None:
        for n in range(20):
            await actor.ask(actors.note((name, n)))

    async def all_at_once(name: str) -> None:
        await asyncio.gather(*(actor.ask(actors.note((name, n))) for n in range(20)))

    await asyncio.gather(*map(one_by_one, "abc"), *map(all_at_once, "xyz"))

    seen = {name: [*_numbers(actors.state, name)] for name in "abcxyz"}
    assert seen == {name: [*range(20)] for name in "abcxyz"}


async def test_the_callers_of_one_turn_are_one_batch(actors: ActorFactory) -> None:
    """The mailbox is the batch: 64 callers cost one wake-up."""
    actor = await actors.open()

    await asyncio.gather(*(actor.ask(actors.note(n)) for n in range(64)))

    assert actor.statistics().batches == 1
    assert actor.statistics().largest_batch == 64


async def test_a_late_caller_does_not_overtake_waiting_ones(actors: ActorFactory) -> None:
    """A caller that sends a command after its reply is queued behind the waiting ones."""
    actor = await actors.open(capacity=1)
    replies = [actor.ask(actors.note(n)) for n in range(4)]
    late: list[asyncio.Future[int]] = []
    replies[0].add_done_callback(lambda _: late.append(actor.ask(actors.note("late"))))

    await asyncio.gather(*replies)
    await asyncio.gather(*late)

    assert actors.state == [0, 1, 2, 3, "late"]


def _numbers(state: list[object], name: str) -> Iterator[int]:
    for entry in state:
        assert isinstance(entry, tuple)
        if entry[0] == name:
            yield entry[1]
