"""Measures the cost of one call in short turns, on the subject and on a small one in between.

Processor time that other programs took meanwhile is subtracted, where the system reports it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import quantiles
from time import perf_counter

from .filled_subject import SMALLEST, FilledSubject
from .loop_monitor import LoopMonitor
from .own_time import OwnTime
from .results import Spread
from .subject import Work

__all__ = ["Sample", "measure_cost"]

_TURNS, _FEW_TURNS = 15, 3
_TURN, _LONG_TURN = 0.002, 0.05
"""Target seconds of a turn; there are few turns of work that takes longer anyway."""
_MAX, _MAX_ON_LONG = 20_000, 400
_LET_IN = 8
"""A caller whose calls never wait yields after this many."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The work to measure, and its number of callers."""

    work: Work | None
    """None means a sweep."""
    callers: int
    batch: int = 0
    """Messages per append; 0 for single appends."""
    long: bool = False
    """On the one long log instead of random sessions."""


async def measure_cost(
    subject: FilledSubject,
    small: FilledSubject | None,
    sample: Sample,
    *,
    size: int,
    base: float | None,
) -> tuple[Spread, int]:
    """Return the microseconds per call, or per message of a batch, and the longest gap in ns.

    With a `small` subject, the cost is `base` (the cost when both were small) times the ratio of
    both. The first turn of each is discarded.
    """
    calls, turns = await _calls_a_turn(subject, sample)
    ours: list[float] = []
    theirs: list[float] = []
    longest = 0
    for _ in range(turns + 1):
        if sample.long:
            await subject.settle(size)
        with LoopMonitor() as watch:
            ours.append(await _turn(subject, sample, calls))
        longest = max(longest, watch.longest)
        if small is not None:
            if sample.long:
                await small.settle(SMALLEST)
            theirs.append(await _turn(small, sample, calls))
    ours, theirs = ours[1:], theirs[1:]
    if theirs and base is not None:
        ours = [base * a / b for a, b in zip(ours, theirs, strict=True)]
    low, middle, high = quantiles(ours, n=4, method="inclusive")
    return Spread(middle, low, high), longest


async def _calls_a_turn(subject: FilledSubject, sample: Sample) -> tuple[int, int]:
    """Return the calls per turn, at least one per caller, and the number of turns."""
    before = perf_counter()
    await _turn(subject, sample, sample.callers)
    first = (perf_counter() - before) / sample.callers
    maximum = _MAX_ON_LONG if sample.long else _MAX
    calls = min(max(sample.callers, int(_TURN / max(first, 1e-7))), max(maximum, sample.callers))
    return calls, _FEW_TURNS if first * calls > _LONG_TURN else _TURNS


async def _turn(subject: FilledSubject, sample: Sample, calls: int) -> float:
    """Return the microseconds per call when all callers share the calls."""
    call = subject.call(sample.work, sample.batch)
    each = max(1, calls // sample.callers)
    # Sessions are chosen before the clock starts: choosing costs as much as a fast call.
    keys = [subject.keys(each, long=sample.long) for _ in range(sample.callers)]
    go = asyncio.Event()
    callers = [asyncio.ensure_future(_caller(call, some, go)) for some in keys]
    await asyncio.sleep(0)  # all callers wait now: their start is not measured
    time = OwnTime()
    go.set()
    await asyncio.gather(*callers)
    return time.lap() / (each * sample.callers * max(1, sample.batch)) / 1e3


async def _caller(
    call: Callable[[str], Awaitable[object]], keys: list[str], go: asyncio.Event
) -> None:
    await go.wait()
    for turn, key in enumerate(keys, 1):
        await call(key)
        if turn % _LET_IN == 0:
            await asyncio.sleep(0)
