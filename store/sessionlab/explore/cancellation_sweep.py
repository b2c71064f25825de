"""Cancels the tasks of a scenario at every moment of their lives, one moment per run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .explore import Exploration, run_schedule
from .lanes import AnyTask, Pick, Ready
from .run import Rules, Scenario
from .strategies import Schedule, default_pick, make_schedule

__all__ = ["sweep_cancellations"]

T = TypeVar("T")


def sweep_cancellations(
    scenario: Scenario[T],
    *,
    check: Callable[[T], object] | None = None,
    cancellable: str | None = None,
    seeds: int = 1,
    strict: bool = False,
    max_steps: int = 10_000,
    failures: int = 1,
    shrink: bool = True,
) -> Exploration:
    """Cancel each cancellable task at every moment of its life, one moment per run.

    A moment is between two steps of any task: before the first step of the cancelled task, at each
    await, and up to when its result is ready but not yet delivered. `cancelled` of the result
    counts the moments; `runs` has one more per task, in which it was not cancelled. With `seeds`,
    this repeats in that many orders; the first is the default order.

    Tasks, failures and errors are those of `explore`.
    """
    if seeds < 1 or max_steps < 1 or failures < 1:
        raise ValueError("seeds, max_steps and failures must be at least 1")
    done = run_schedule(
        scenario,
        _moments(seeds),
        Rules(check, cancellable, strict, max_steps),
        runs=1_000_000,
        failures=failures,
        shrinks=shrink,
    )
    if done.ok and not done.cancellable:
        raise ValueError("no task may be cancelled: see may_cancel")
    return done


def _moments(seeds: int) -> Schedule:
    for seed in range(seeds):
        task = 0
        while True:
            moment = 0
            while True:
                run = yield seed, _at(task, moment, _base(seed))
                if not any(choice < 0 for choice in run.choices):
                    break
                moment += 1
            task += 1
            if task >= run.cancellable:
                break


def _base(seed: int) -> Pick:
    if seed == 0:
        return default_pick
    plan = make_schedule("random", seeds=range(seed, seed + 1), deviations=0, cancellations=0)
    return next(plan)[1]


def _at(number: int, moment: int, pick: Pick) -> Pick:
    """Cancel one task, this many steps after it was created."""
    seen = -1

    def cancel(ready: Ready, cancellable: list[AnyTask]) -> int:
        nonlocal seen
        if seen < moment and number < len(cancellable) and not cancellable[number].done():
            seen += 1
            if seen == moment:
                return -number - 1
        return pick(ready, cancellable)

    return cancel
