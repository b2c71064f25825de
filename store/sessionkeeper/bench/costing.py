"""What one call costs: short turns of equal work, on the subject and on a small one beside it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from statistics import median
from time import perf_counter
from typing import TypeAlias

from .filling import Filled
from .results import Spread
from .subject import Work

__all__ = ["Sample", "cost_beside"]

Sample: TypeAlias = tuple[Work | None, int, int]
"""What is asked (None: a sweep), by how many callers, in batches of so many; 0 is one by one, and
-1 one by one of the one long log."""

_TURNS = 9
_TURN = 0.01
"""Seconds that a turn should take."""
_MOST, _MOST_ON_LONG = 20_000, 400


async def cost_beside(
    subject: Filled, small: Filled | None, sample: Sample, base: float | None, size: int, least: int
) -> Spread:
    """Return the microseconds that a call costs, or a message of a batch.

    With a small one to compare with, and `base`, what the work cost when both were small, it is the
    ratio of both times `base`. One turn is not counted.
    """
    many = await _calls_a_turn(subject, sample)
    ours: list[float] = []
    theirs: list[float] = []
    gc.collect()
    for _ in range(_TURNS + 1):
        if sample[2] < 0:
            await subject.settle(size)
        ours.append(await _turn(subject, sample, many))
        if small is not None:
            if sample[2] < 0:
                await small.settle(least)
            theirs.append(await _turn(small, sample, many))
    ours, theirs = ours[1:], theirs[1:]
    if not theirs or base is None:
        return Spread(median(ours), min(ours), max(ours))
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return Spread(base * median(ratios), base * min(ratios), base * max(ratios))


async def _calls_a_turn(subject: Filled, sample: Sample) -> int:
    """How many calls take about as long as a turn should; at least one of each caller."""
    callers = sample[1]
    cost = await _turn(subject, sample, callers) / 1e6 * (sample[2] if sample[2] > 0 else 1)
    most = _MOST if sample[2] >= 0 else _MOST_ON_LONG
    return min(max(callers, int(_TURN / max(cost, 1e-7))), max(most, callers))


async def _turn(subject: Filled, sample: Sample, calls: int) -> float:
    """Microseconds of one call, when so many callers share the calls."""
    work, callers, batch = sample
    call = subject.call(work, batch)
    each = max(1, calls // callers)
    before = perf_counter()
    await asyncio.gather(*(_caller(call, each) for _ in range(callers)))
    took = perf_counter() - before
    return took / (each * callers * max(1, batch)) * 1e6


async def _caller(call: Callable[[], Awaitable[object]], times: int) -> None:
    for _ in range(times):
        await call()
