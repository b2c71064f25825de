"""Strategies: schedules that yield one order after the other and see the result of each run.

PCT is Burckhardt and others, *A randomized scheduler with probabilistic guarantees of finding
bugs* (ASPLOS 2010): a bug that needs d steps in a certain order is hit with a known probability.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Generator, Sequence
from random import Random
from typing import Any, Literal, TypeAlias

from .lanes import AnyTask, Pick, Ready, find_commuting, heads
from .order_tree import OrderTree
from .remaining_steps import RemainingSteps
from .run import RunResult

__all__ = ["Schedule", "Strategy", "make_schedule", "replay_choices", "default_pick"]

Strategy: TypeAlias = Literal["mixed", "default", "random", "pct", "exhaustive", "systematic"]

# Any: a plan looks at the choices of a run, never at its value.
Schedule: TypeAlias = "Generator[tuple[int, Pick], RunResult[Any], None]"
"""Yields a seed with its order, and is sent the result of the run."""

_DEPTHS = (1, 2, 3, 4)
_ENOUGH_TO_PROBE = 20
"""Seeds; with fewer, none are spent on finding out how many orders there are."""
_PROBES = 3
"""Runs, after the first one, that show how many orders there are; the largest number counts."""


def make_schedule(
    strategy: Strategy,
    *,
    seeds: range,
    deviations: int,
    cancellations: int,
    tree: OrderTree | None = None,
) -> Schedule:
    """Return the schedule of a strategy; `tree` is told what is covered, where that is known.

    Raises `ValueError` for an unknown strategy.
    """
    if strategy == "exhaustive":
        return _exhaustive(deviations, cancellations)
    if strategy not in ("mixed", "default", "random", "pct", "systematic"):
        names = "mixed, default, random, pct, exhaustive or systematic"
        raise ValueError(f"no strategy {strategy!r}: {names}")
    tree = OrderTree(seeds.start, cancellations) if tree is None else tree
    if strategy == "systematic":
        return tree.schedule(seeds.start, default=True)
    if strategy == "mixed":
        return _mixed(seeds, cancellations, tree)
    return _seeded(strategy, seeds, cancellations, tree.remaining)


def default_pick(ready: Ready, cancellable: list[AnyTask]) -> int:
    """Choose the order of asyncio."""
    return 0


def replay_choices(choices: Sequence[int]) -> Pick:
    """Choose as was chosen before; past the end, the default order."""
    following = iter(choices)
    return lambda ready, cancellable: next(following, 0)


def _mixed(seeds: range, cancellations: int, tree: OrderTree) -> Schedule:
    """All orders first, if there are no more than seeds; then those of three strategies in turn.

    It goes on after all orders: a scenario may depend on more than the order.
    """
    if not cancellations and len(seeds) >= _ENOUGH_TO_PROBE:
        orders = tree.schedule(seeds.start, default=seeds.start == 0)
        for number, order in enumerate(orders):
            if number > _PROBES and tree.estimate > len(seeds):
                break
            yield order
        seeds = seeds[tree.runs :]
    yield from _seeded("mixed", seeds, cancellations, tree.remaining)


def _seeded(strategy: str, seeds: range, cancellations: int, remaining: RemainingSteps) -> Schedule:
    steps = 50  # until the first run has shown the length
    for seed in seeds:
        remaining.begin()
        # A string, so that adjacent seeds are unrelated.
        rng = Random(f"{strategy} {seed}")  # noqa: S311  # reproducible is the point
        pick = _order(strategy, seed, rng, steps, remaining)
        if cancellations and seed:
            pick = _with_cancellations(pick, rng, cancellations, steps)
        run = yield seed, pick
        steps = max(steps, len(run.choices)) if steps != 50 else len(run.choices)


def _order(strategy: str, seed: int, rng: Random, steps: int, remaining: RemainingSteps) -> Pick:
    if strategy == "default" or (strategy == "mixed" and seed == 0):
        return default_pick
    if strategy == "mixed":
        strategy = ("random", "pct", "few")[seed % 3]
    if strategy == "pct":
        return _pct(rng, _DEPTHS[seed // 3 % len(_DEPTHS)], steps)
    return _random(rng, remaining) if strategy == "random" else _few(rng, steps)


def _random(rng: Random, remaining: RemainingSteps) -> Pick:
    """All orders alike, as far as earlier runs have shown how long each task is."""

    def pick(ready: Ready, cancellable: list[AnyTask]) -> int:
        places = heads(ready)
        choice = find_commuting(ready, places)
        if choice is None:
            choice, _ = remaining.draw(ready, places, rng)
        remaining.take(ready[choice].lane)
        return choice

    return pick


def _few(rng: Random, steps: int) -> Pick:
    """The default order, except for about three steps."""
    draw, rate = rng.random, 3 / max(steps, 6)
    return lambda ready, cancellable: int(draw() * len(ready)) if draw() < rate else 0


def _pct(rng: Random, depth: int, steps: int) -> Pick:
    drops = {rng.randrange(max(steps, 1)): -float(n) for n in range(1, depth)}
    priority: defaultdict[int, float] = defaultdict(rng.random)  # by lane
    step = -1

    def pick(ready: Ready, cancellable: list[AnyTask]) -> int:
        nonlocal step
        step += 1
        queue = [priority[handle.lane] for handle in ready]
        best = queue.index(max(queue))
        if step in drops:  # the task that would run now comes last from now on
            priority[ready[best].lane] = drops[step]
            queue = [priority[handle.lane] for handle in ready]
            best = queue.index(max(queue))
        return best

    return pick


def _with_cancellations(pick: Pick, rng: Random, maximum: int, steps: int) -> Pick:
    moments = {rng.randrange(max(steps, 1)) for _ in range(rng.randint(1, maximum))}
    step = -1

    def cancel(ready: Ready, cancellable: list[AnyTask]) -> int:
        nonlocal step
        step += 1
        if step in moments:
            alive = [n for n, task in enumerate(cancellable, 1) if not task.done()]
            if alive:
                moments.discard(step)
                step -= 1  # the choice that follows belongs to the same step
                return -rng.choice(alive)
            moments.add(step + 1)  # nobody there yet
        return pick(ready, cancellable)

    return cancel


def _exhaustive(deviations: int, cancellations: int) -> Schedule:
    """All orders with at most so many deviations, those with fewer first."""
    waiting: deque[tuple[list[int], int, int]] = deque([([], 0, deviations)])
    number = 0
    while waiting:
        earlier, choice, left = waiting.popleft()
        begin = [*earlier, choice] if choice else earlier
        menu: list[list[int]] = []
        cancels = cancellations - sum(each < 0 for each in begin)
        run = yield number, _record_choices(begin, menu, cancels > 0)
        number += 1
        if left:
            for at in range(len(begin), len(menu)):
                shared = run.choices[:at]
                waiting.extend((shared, other, left - 1) for other in menu[at])


def _record_choices(begin: list[int], menu: list[list[int]], cancel: bool) -> Pick:
    following = iter(begin)

    def pick(ready: Ready, cancellable: list[AnyTask]) -> int:
        others = [place for place in heads(ready) if place]
        if cancel:
            others += [-n for n, task in enumerate(cancellable, 1) if not task.done()]
        menu.append(others)
        return next(following, 0)

    return pick
