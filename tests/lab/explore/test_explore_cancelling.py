"""Cancellation as a choice: whom, when, how often, and every moment in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from sessionlab.explore import (
    Exploration,
    explore,
    may_cancel,
    replay,
    stress,
    sweep_cancellations,
)


class Steps:
    """A task of three awaits that may be cancelled, and where that was."""

    def __init__(self, cancellable: int = 1) -> None:
        self.cancellable = cancellable
        self.reached: list[tuple[int, ...]] = []

    async def __call__(self) -> None:
        reached = [0] * self.cancellable

        async def work(n: int) -> None:
            for _ in range(3):
                reached[n] += 1
                await asyncio.sleep(0)
            reached[n] += 1

        async def other() -> None:
            for _ in range(5):
                await asyncio.sleep(0)

        tasks = [
            may_cancel(asyncio.create_task(work(n), name=f"victim-{n}"))
            for n in range(self.cancellable)
        ]
        await asyncio.wait([*tasks, asyncio.create_task(other(), name="other")])
        assert all(
            task.cancelled() == (done < 4) for task, done in zip(tasks, reached, strict=True)
        )
        self.reached.append(tuple(reached))


def test_a_sweep_cancels_at_every_await_and_before_the_first() -> None:
    """Each await of the task was the last one once; and once it came to its end."""
    steps = Steps()
    done = sweep_cancellations(steps)
    assert done.ok
    assert {reached for (reached,) in steps.reached} == {0, 1, 2, 3, 4}
    assert done.cancelled == done.runs - 1
    assert done.cancellable == 1


def test_a_sweep_leaves_no_moment_out() -> None:
    """A task alone with three awaits has four: before its first step, and at each of them."""

    async def scenario() -> None:
        async def work() -> None:
            for _ in range(3):
                await asyncio.sleep(0)

        await asyncio.wait([may_cancel(asyncio.create_task(work(), name="work"))])

    assert sweep_cancellations(scenario).cancelled == 4


def test_a_sweep_takes_every_task_in_turn() -> None:
    """One at a time."""
    steps = Steps(3)
    assert sweep_cancellations(steps, seeds=3).ok
    for n in range(3):
        assert {reached[n] for reached in steps.reached} == {0, 1, 2, 3, 4}
    assert all(sum(each < 4 for each in reached) <= 1 for reached in steps.reached)


def test_a_sweep_cancels_early_and_late_at_the_same_await() -> None:
    """As soon as it waits, and when the answer is there but not taken: both happen."""
    seen: set[tuple[bool, bool]] = set()

    async def scenario() -> None:
        reply: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def ask() -> int:
            return await reply

        asker = may_cancel(asyncio.create_task(ask(), name="asker"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        answered = not reply.cancelled()
        if answered:
            reply.set_result(1)
        await asyncio.wait([asker])
        seen.add((answered, asker.cancelled()))

    assert sweep_cancellations(scenario).ok
    assert seen == {(True, False), (True, True), (False, True)}


def test_a_sweep_finds_what_is_wrong_at_one_await_only() -> None:
    """And tells it with a token that replays it."""

    async def scenario() -> None:
        held = False

        async def work() -> None:
            nonlocal held
            await asyncio.sleep(0)
            held = True
            await asyncio.sleep(0)  # a cancellation here leaves it held
            held = False
            await asyncio.sleep(0)

        await asyncio.wait([may_cancel(asyncio.create_task(work(), name="work"))])
        assert not held

    (failure,) = sweep_cancellations(scenario).failures
    assert failure.deviations == 1
    assert "work" in str(failure)
    assert "is cancelled at test_explore_cancelling.py" in str(failure)
    with pytest.raises(AssertionError):
        replay(scenario, failure.token)


@pytest.mark.parametrize("maximum", [1, 2])
@pytest.mark.parametrize("strategy", ["mixed", "exhaustive"])
def test_no_more_are_cancelled_than_allowed(maximum: int, strategy: str) -> None:
    """And sometimes as many as that, sometimes none."""
    steps = Steps(3)
    done = explore(steps, seeds=600, cancellations=maximum, strategy=strategy)  # type: ignore[arg-type]  # a str
    assert done.ok
    counts = {sum(each < 4 for each in reached) for reached in steps.reached}
    assert counts == set(range(maximum + 1)) or (strategy == "exhaustive" and counts >= {0, 1})
    assert max(counts) <= maximum
    assert done.cancelled >= sum(min(reached) < 4 for reached in steps.reached) > 0


def test_tasks_may_be_chosen_by_name() -> None:
    """Those whose name begins so, and no others; never the scenario itself."""
    cancelled: set[str] = set()

    async def scenario() -> None:
        tasks = [
            asyncio.create_task(asyncio.sleep(1), name=name)
            for name in ("client-1", "client-2", "owner", "scenario-helper")
        ]
        await asyncio.wait(tasks)
        cancelled.update(task.get_name() for task in tasks if task.cancelled())

    assert explore(scenario, cancellations=2, cancellable="client-").ok
    assert cancelled == {"client-1", "client-2"}
    cancelled.clear()
    assert explore(scenario, cancellations=2, cancellable="scenario").ok
    assert cancelled == {"scenario-helper"}
    assert sweep_cancellations(scenario, cancellable="").ok
    assert len(cancelled) == 4


@pytest.mark.parametrize("way", [lambda s: explore(s, cancellations=1), sweep_cancellations])
def test_without_a_task_that_may_be_cancelled_it_refuses(
    way: Callable[[object], Exploration],
) -> None:
    """A sweep of nothing is not taken for one that found nothing."""

    async def scenario() -> None:
        await asyncio.sleep(0)

    with pytest.raises(ValueError, match="may_cancel"):
        way(scenario)


def test_a_replay_cancels_as_the_token_says_and_no_more() -> None:
    """-2 is the second task, at that moment; a number nobody has does nothing."""
    steps = Steps(2)
    replay(steps, "x1:0,0,0,-2")
    assert steps.reached == [(4, 1)]
    replay(steps, "x1:0,0,0,-9,-1,-2")
    assert steps.reached[1] == (1, 1)


def test_on_other_loops_nothing_is_cancelled(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """The same scenario runs as stress, on uvloop too, where nothing can be reordered."""
    steps = Steps(2)
    assert stress(steps, runs=20, loop_factory=loop_factory) == 20
    assert steps.reached == [(4, 4)] * 20


def test_stress_says_in_which_run_it_failed(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """The scenario's error, with a note; a check's; a run that does not end."""
    runs: list[int] = []

    async def third() -> int:
        runs.append(1)
        assert len(runs) != 3
        return len(runs)

    with pytest.raises(AssertionError) as raised:
        stress(third, runs=5, loop_factory=loop_factory)
    assert "run 3 of 5" in raised.value.__notes__[0]

    def check(run: int) -> None:
        assert run < 6

    with pytest.raises(AssertionError):
        stress(third, runs=5, loop_factory=loop_factory, check=check)

    async def hang() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        stress(hang, runs=1, loop_factory=loop_factory, timeout=0.01)
