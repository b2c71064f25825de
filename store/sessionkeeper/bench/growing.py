"""Cost against size: sessions, the length of a log, callers, the size of a batch.

A cost at one size is measured in turn with the same work on a small subject beside it, and told as
its ratio to that: what other programs take of the machine meanwhile, they take from both.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from statistics import linear_regression

from .costing import Sample, cost_beside
from .filling import Filled
from .loop_watch import LoopWatch, rss_bytes
from .results import Curve, Growth, Point
from .subject import Subject, Work
from .targets import lacking

__all__ = ["MOST_SESSIONS", "SMALLEST", "exponent_of", "grow", "sizes_up_to"]

SMALLEST, MOST_SESSIONS = 1_000, 1_000_000
_MOST_LISTED = 100_000
"""A list of more is a matter of seconds, and its growth is known by then."""
_MOST_CALLERS, _MOST_BATCH = 10_000, 1_024
_CALLERS = (1, 8, 64, 512, 4_096, _MOST_CALLERS)
_BATCHES = (1, 4, 16, 64, 256, _MOST_BATCH)
_ONE_SESSION = (Work.GET, Work.TOUCH, Work.APPEND, Work.READ, Work.SET, Work.MODIFY)
_CREATE_DELETE = (Work.CREATE, Work.DELETE)
_ENOUGH = 8 * 1024**2
"""Bytes a process must have grown by before they are shared out among what it holds."""


class _Stopped(Exception):
    """It was asked to end."""


async def grow(
    make: Callable[[str], Subject],
    max_size: int,
    *,
    alone: bool = False,
    tell: Callable[[str], object] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[Growth, tuple[str, ...]]:
    """Measure a subject at sizes up to `max_size`; return that and what it lacks.

    `make` makes an empty subject; the one that is small for comparison is of another name, unless
    `alone` says that there is but one. When `stopped` says so, what was measured is returned.
    Raises `ValueError` for a size below 1,000, and what the subject raises.
    """
    if max_size < SMALLEST:
        raise ValueError(f"a size is at least {SMALLEST:,}")
    memory = {} if alone else await _memory(make, max_size, tell, stopped)
    gc.collect()
    subject, small = Filled(make("large")), None if alone else Filled(make("small"))
    rows: dict[tuple[str, str], list[Point]] = {}
    measure = _Measure(subject, small, rows, tell, stopped)
    with LoopWatch() as watch:
        for each in filter(None, (subject, small)):
            await each.open(SMALLEST)
        try:
            await measure.all(sizes_up_to(max_size))
        except _Stopped:
            pass
        lacks = lacking(subject.subject)
        for each in filter(None, (subject, small)):
            await each.aclose(tidy=alone)
    growth = Growth(
        curves=tuple(
            Curve(what, over, tuple(points), exponent_of(points))
            for (what, over), points in rows.items()
        ),
        session_bytes=memory.get("sessions"),
        frame_bytes=memory.get("frames"),
        frame_payload=subject.payload_bytes,
        stall_ms=watch.longest / 1e6,
    )
    return growth, lacks


async def _memory(
    make: Callable[[str], Subject],
    max_size: int,
    tell: Callable[[str], object],
    stopped: Callable[[], bool],
) -> dict[str, float]:
    """Bytes of this process for a session and for a frame, by filling a fresh one."""
    found: dict[str, float] = {}
    filled = Filled(make("memory"))
    await filled.open(SMALLEST)
    steps = {"sessions": (filled.fill, min(max_size, MOST_SESSIONS))}
    if Work.APPEND in filled.offers:
        steps["frames"] = (filled.lengthen, max_size)
    for over, (grown, size) in steps.items():
        tell(f"memory of {size:,} {over}")
        gc.collect()
        before = rss_bytes()
        await grown(size, stopped)
        gc.collect()
        more = rss_bytes() - before
        if more > _ENOUGH and not stopped():
            found[over] = more / (size - SMALLEST)
    await filled.aclose(tidy=False)
    return found


def sizes_up_to(most: int, /) -> list[int]:
    """Return sizes from 1,000, two a decade."""
    steps = int(2 * math.log10(most / SMALLEST) + 1e-9)
    sizes = [round(SMALLEST * 10 ** (step / 2)) for step in range(steps + 1)]
    return [*sizes, most] if sizes[-1] < 0.9 * most else [*sizes[:-1], most]


def exponent_of(points: Sequence[Point], /) -> float | None:
    """Fit a straight line through the logarithms by least squares and return its slope."""
    if len({point.size for point in points}) < 2:
        return None
    sizes = [math.log(point.size) for point in points]
    costs = [math.log(max(point.cost.median, 1e-9)) for point in points]
    return linear_regression(sizes, costs).slope


class _Measure:
    """The measurements, in their order."""

    def __init__(
        self,
        subject: Filled,
        small: Filled | None,
        rows: dict[tuple[str, str], list[Point]],
        tell: Callable[[str], object],
        stopped: Callable[[], bool],
    ) -> None:
        self._subject, self._small, self._rows = subject, small, rows
        self._tell, self._stopped = tell, stopped

    async def all(self, sizes: Sequence[int]) -> None:
        """Sessions, frames, callers, batches."""
        few = [size for size in sizes if size <= MOST_SESSIONS]
        await self._over("sessions", few, self._subject.fill, self._of_sessions)
        if Work.APPEND in self._subject.offers:
            await self._over("frames", sizes, self._subject.lengthen, self._of_frames)
        offers = self._subject.offers
        for callers in _CALLERS:
            for work in (Work.GET, Work.APPEND):
                if work in offers:
                    await self._point(work.value, "callers", callers, (work, callers, 0))
        if Work.APPEND in offers:
            for batch in _BATCHES:
                await self._point("append_many", "batch", batch, (Work.APPEND, 16, batch))

    async def _over(
        self,
        over: str,
        sizes: Sequence[int],
        grown: Callable[[int, Callable[[], bool]], Awaitable[None]],
        samples: Callable[[], Iterator[tuple[str, Sample]]],
    ) -> None:
        """Let it grow to each size, and measure there."""
        for size in sizes:
            self._tell(f"growing to {size:,} {over}")
            await grown(size, self._stopped)
            for what, sample in samples():
                if what != "list" or size <= _MOST_LISTED:
                    await self._point(what, over, size, sample)

    def _of_sessions(self) -> Iterator[tuple[str, Sample]]:
        offers = self._subject.offers
        for work in _ONE_SESSION:
            if work in offers:
                yield work.value, (work, 64, 0)
        if offers.issuperset(_CREATE_DELETE):
            yield "create+delete", (Work.CREATE, 64, 0)
        if self._subject.sweeps:
            yield "sweep", (None, 1, 0)
        if Work.LIST in offers:
            yield "list", (Work.LIST, 1, 0)

    def _of_frames(self) -> Iterator[tuple[str, Sample]]:
        for work in (Work.APPEND, Work.READ):
            if work in self._subject.offers:
                yield work.value, (work, 64, -1)

    async def _point(self, what: str, over: str, size: int, sample: Sample) -> None:
        if self._stopped():
            raise _Stopped
        self._tell(f"{what} at {size:,} {over}")
        points = self._rows.setdefault((what, over), [])
        base = points[0].cost.median if points else None
        # Callers and batches are not what a subject holds: the size is in the sample itself.
        small = self._small if over in ("sessions", "frames") else None
        cost = await cost_beside(self._subject, small, sample, base, size, SMALLEST)
        points.append(Point(size, cost))
