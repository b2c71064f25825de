"""What one call costs: short turns of equal work, on the subject and on a small one beside it.

What other programs took of the processor meanwhile is not counted, as far as the system tells.
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
"""Seconds that a turn should take; of those that take long in any case there are few."""
_MAX, _MAX_ON_LONG = 20_000, 400
_LET_IN = 8
"""A caller whose calls never wait lets others in after so many."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What is asked, and by how many."""

    work: Work | None
    """None for a sweep."""
    callers: int
    batch: int = 0
    """Messages in one append; 0 for those that are no batch."""
    long: bool = False
    """Of the one long log, not of any session."""


async def measure_cost(
    subject: FilledSubject,
    small: FilledSubject | None,
    sample: Sample,
    *,
    size: int,
    base: float | None,
) -> tuple[Spread, int]:
    """Return the microseconds of a call, or of a message of a batch, and the longest gap in ns.

    With a small one to compare with, and `base`, what the work cost when both were small, it is the
    ratio of both times `base`. One turn of each is not counted.
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
    """How many calls take about as long as a turn should, at least one of each caller; and how
    many turns."""
    before = perf_counter()
    await _turn(subject, sample, sample.callers)
    first = (perf_counter() - before) / sample.callers
    maximum = _MAX_ON_LONG if sample.long else _MAX
    calls = min(max(sample.callers, int(_TURN / max(first, 1e-7))), max(maximum, sample.callers))
    return calls, _FEW_TURNS if first * calls > _LONG_TURN else _TURNS


async def _turn(subject: FilledSubject, sample: Sample, calls: int) -> float:
    """Microseconds of one call, when so many callers share the calls."""
    call = subject.call(sample.work, sample.batch)
    each = max(1, calls // sample.callers)
    # Whom to ask is chosen before the clock runs: choosing costs as much as a quick answer.
    keys = [subject.keys(each, long=sample.long) for _ in range(sample.callers)]
    go = asyncio.Event()
    callers = [asyncio.ensure_future(_caller(call, some, go)) for some in keys]
    await asyncio.sleep(0)  # all of them wait now: starting ten thousand is no part of it
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
