"""Cancel a scenario's tasks at every moment of their lives, one moment a run."""

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
    """Cancel each task that may be cancelled, once, at every moment of its life in turn.

    A moment is between two steps of anything: before the task's first step, at each await, as soon
    as it waits, as late as when its answer is there and not yet taken, and all between. `runs` of
    the answer counts one more for each task, in which it came to its end; `cancelled` counts the
    moments. With `seeds`, the same in so many orders, of which the first is the usual one.

    Which tasks, what fails and what it raises: as for `explore`.
    """
    if seeds < 1 or max_steps < 1 or failures < 1:
        raise ValueError("seeds, max_steps and failures are at least 1")
    done = run_schedule(
        scenario,
        _moments(seeds),
        Rules(check, cancellable, strict, max_steps),
        runs=1_000_000,
        failures=failures,
        shrinks=shrink,
    )
    if done.ok and not done.cancellable:
        raise ValueError("a sweep, but no task that may be cancelled: see may_cancel")
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
    """Cancel one task, after it has been there for so many steps."""
    seen = -1

    def cancel(ready: Ready, cancellable: list[AnyTask]) -> int:
        nonlocal seen
        if seen < moment and number < len(cancellable) and not cancellable[number].done():
            seen += 1
            if seen == moment:
                return -number - 1
        return pick(ready, cancellable)

    return cancel
