"""The mailbox is bounded, the line is fair, and neither a batch nor a line starves the loop."""

from __future__ import annotations

import asyncio
import weakref
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from soleowner import Actor, ActorPair, LoopRunner, MailboxClosed, MailboxFull

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import ActorFactory


class Clock:
    """Stands in for the module `time`: slow commands move it, nothing else does."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("soleowner.runner.time", clock)
    return clock


async def progress(actors: ActorFactory, replies: list[asyncio.Future[object]]) -> list[int]:
    """How many commands were applied between any two turns of the loop, until all are answered."""
    seen = [0]
    for _ in range(10 * len(replies)):
        if not all(reply.done() for reply in replies):
            await asyncio.sleep(0)
            seen.append(len(actors.state))
    assert all(reply.done() for reply in replies)
    return [after - before for before, after in pairwise(seen)]


def test_a_mailbox_holds_1024_commands_and_64_mebibytes_unless_said() -> None:
    """A pair has two of them."""
    one: Actor[list[object]] = Actor(LoopRunner([]))
    pair: Actor[list[object]] = ActorPair(LoopRunner([]), LoopRunner([]), reads=lambda _: False)
    for actor, boxes in ((one, 1), (pair, 2)):
        now = actor.statistics()
        assert (now.capacity, now.capacity_bytes) == (boxes * 1024, boxes * 67_108_864)


async def test_a_caller_that_does_not_wait_is_refused_without_effect(actors: ActorFactory) -> None:
    """Hazard 9 (python-sdk#1385, #2455) and Guarantees 6.3: `*_nowait` forms raise instead."""
    actor = await actors.open(capacity=2)
    await actors.hold(actor)
    replies = [actor.ask_nowait(actors.note(n)) for n in range(2)]

    for _ in range(3):
        with pytest.raises(MailboxFull) as caught:
            actor.ask_nowait(actors.note("refused"))
    assert caught.value.capacity == 2
    assert actor.statistics().refused == 3
    actors.release()

    assert await asyncio.gather(*replies) == [2, 3]
    assert await actor.ask_nowait(actors.note("after")) == 4
    assert actors.state == ["held", 0, 1, "after"]


async def test_a_full_mailbox_makes_callers_wait_in_order(actors: ActorFactory) -> None:
    """Guarantees 6.3: no command overtakes one in line, not even with `ask_nowait`."""
    actor = await actors.open(capacity=2, capacity_bytes=10)
    await actors.hold(actor)
    replies = [actor.ask(actors.note(n, weight=6)) for n in range(4)]
    assert (actor.statistics().depth, actor.statistics().waiting) == (1, 3)

    with pytest.raises(MailboxFull):
        actor.ask_nowait(actors.note("light", weight=0))
    actors.release()

    assert await asyncio.gather(*replies) == [2, 3, 4, 5]
    assert actors.state == ["held", 0, 1, 2, 3]


async def test_a_mailbox_is_bounded_by_bytes(actors: ActorFactory) -> None:
    """Hazard 9: weights are counted, the heavy travel alone, and the order is kept."""
    actor = await actors.open(capacity_bytes=10)
    await actors.hold(actor)
    loads = [4, 6, 1, 50, 10, 0, 3, 3, 5]
    replies = [actor.ask(actors.note(n, weight)) for n, weight in enumerate(loads)]
    assert actor.statistics().depth_bytes == 10
    assert actor.statistics().waiting == 7
    actors.release()
    await asyncio.gather(*replies)

    assert actors.state == ["held", *range(9)]
    # held · 4 6 · 1 · 50 · 10 0 · 3 3 · 5
    assert actor.statistics().batches == 7
    assert actor.statistics().largest_batch == 2


async def test_callers_who_give_up_leave_no_memory_behind(actors: ActorFactory) -> None:
    """Hazard 9: while the owner is stuck, nothing else would ever remove their envelopes."""
    actor = await actors.open(capacity=8)
    await actors.hold(actor)
    patient = [actor.ask(actors.note(n)) for n in range(28)]
    assert actor.statistics().waiting == 20
    alive: weakref.WeakSet[object] = weakref.WeakSet()

    for n in range(5000):
        command = actors.note(("given up", n))
        alive.add(command)
        actor.ask(command).cancel()
        assert actor.statistics().waiting <= 64
        assert len(alive) <= 64
    del command
    actors.release()

    assert await asyncio.gather(*patient) == [*range(2, 30)]
    assert actors.state == ["held", *range(28)]
    assert len(alive) == 0


async def test_statistics_are_right_at_every_step(actors: ActorFactory) -> None:
    """Depth is what the owner has not taken; counters run from the opening."""
    actor = actors.actor(capacity=2, capacity_bytes=10)

    def now() -> tuple[object, ...]:
        s = actor.statistics()
        assert (s.capacity, s.capacity_bytes) == (2, 10)
        return s.state, s.depth, s.depth_bytes, s.waiting, s.batches, s.commands, s.refused

    assert now() == ("new", 0, 0, 0, 0, 0, 0)
    await actor.open()
    assert now() == ("open", 0, 0, 0, 0, 0, 0)
    await actors.hold(actor)
    assert now() == ("open", 0, 0, 0, 1, 1, 0)
    replies = [actor.ask(actors.note(0, weight=3))]
    assert now() == ("open", 1, 3, 0, 1, 1, 0)
    replies += [actor.ask(actors.note(1, weight=4))]
    assert now() == ("open", 2, 7, 0, 1, 1, 0)
    replies += [actor.ask(actors.note(2, weight=5))]
    assert now() == ("open", 2, 7, 1, 1, 1, 0)
    with pytest.raises(MailboxFull):
        actor.ask_nowait(actors.note(3))
    assert now() == ("open", 2, 7, 1, 1, 1, 1)
    replies[0].cancel()
    assert now() == ("open", 2, 7, 1, 1, 1, 1)
    actors.release()
    await asyncio.wait(replies)
    assert now() == ("open", 0, 0, 0, 3, 4, 1)
    await actors.hold(actor)
    replies = [actor.ask(actors.note(n, weight=1)) for n in range(3)]
    assert now() == ("open", 2, 2, 1, 4, 5, 1)
    closing = asyncio.create_task(actor.aclose())
    await asyncio.sleep(0)
    assert now() == ("closing", 2, 2, 1, 4, 5, 1)
    actors.release()
    await closing
    assert now() == ("closed", 0, 0, 0, 6, 8, 1)
    assert actor.statistics().largest_batch == 2


async def test_an_actor_shows_its_life(actors: ActorFactory) -> None:
    """The `repr` shows name, state and mailbox."""
    actor = await actors.open(capacity=4)
    await actors.hold(actor)
    actor.ask(actors.note(1))

    assert repr(actor) == "<Actor owner open mailbox=1/4>"


async def test_a_batch_of_slow_commands_lets_others_run(actors: ActorFactory, clock: Clock) -> None:
    """Hazard 21: a batch has a time budget, and the owner yields between slices."""
    async with Actor(LoopRunner(actors.state)) as actor:
        replies = [actor.ask(actors.do(lambda: _work(actors, clock))) for _ in range(200)]

        steps = await progress(actors, replies)

    assert len(actors.state) == 200
    assert max(steps) <= 32


async def test_a_batch_of_quick_commands_is_not_interrupted(
    actors: ActorFactory, clock: Clock
) -> None:
    """The budget is one of time, not of commands: yielding costs a turn of the loop."""
    async with Actor(LoopRunner(actors.state)) as actor:
        replies = [actor.ask(actors.do(lambda: actors.state.append(clock))) for _ in range(1000)]

        steps = await progress(actors, replies)

    assert max(steps) == 1000


async def test_a_slow_command_costs_one_turn_of_the_loop(
    actors: ActorFactory, clock: Clock
) -> None:
    """Each slice has a budget of its own: those behind the slow one are not held up again."""
    async with Actor(LoopRunner(actors.state)) as actor:
        replies = [actor.ask(actors.do(lambda: _work(actors, clock))) for _ in range(10)]
        replies += [actor.ask(actors.do(lambda: actors.state.append(1))) for _ in range(990)]

        steps = await progress(actors, replies)

    assert [step for step in steps if step] == [16, 984]


@pytest.mark.parametrize("capacity", [1, 16])
async def test_a_long_line_lets_others_run(actors: ActorFactory, capacity: int) -> None:
    """Hazard 21: each batch is quick, but there is always another one."""
    actor = await actors.open(capacity=capacity)
    replies = [actor.ask(actors.do(lambda: actors.state.append(1))) for _ in range(200)]

    steps = await progress(actors, replies)

    assert len(actors.state) == 200
    assert max(steps) <= capacity


async def test_closing_in_the_middle_of_a_batch_cuts_between_commands(
    actors: ActorFactory, clock: Clock
) -> None:
    """Guarantees 4.1 and 13.1: applied and answered with its value, or neither."""
    actor = actors.actor(LoopRunner(actors.state), capacity=4096)
    await actor.open()
    replies = [actor.ask(actors.do(lambda: _work(actors, clock))) for _ in range(4096)]

    await actor.aclose(timeout=0)

    outcomes = [*_outcomes(replies)]
    applied = len(actors.state)
    assert 0 < applied < 4096
    assert outcomes == [*range(1, applied + 1)] + [MailboxClosed] * (4096 - applied)


def _work(actors: ActorFactory, clock: Clock) -> int:
    """A command that takes a millisecond."""
    clock.now += 0.001
    actors.state.append(clock.now)
    return len(actors.state)


def _outcomes(replies: list[asyncio.Future[object]]) -> Iterator[object]:
    for reply in replies:
        error = reply.exception()
        yield reply.result() if error is None else type(error)
