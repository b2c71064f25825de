"""Measures cost by size: number of sessions, length of a log, callers, size of a batch.

The cost at one size is measured in turns with the same work on a small subject, and reported as
the ratio of both: other programs on the machine slow down both alike.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from statistics import linear_regression

from .cost import Sample, measure_cost
from .dict_lookups import DictLookups
from .filled_subject import SMALLEST, FilledSubject
from .results import Curve, Growth, Point
from .subject import Subject, Work
from .targets import list_limitations

__all__ = ["MAX_SESSIONS", "fit_exponent", "measure_growth", "sizes_up_to"]

MAX_SESSIONS = 1_000_000
_MAX_LISTED = 100_000
"""A larger list takes seconds, and its growth is known by then."""
_CALLERS = (1, 8, 64, 512, 4_096, 10_000)
_BATCHES = (1, 4, 16, 64, 256, 1_024)
_ONE_SESSION = (Work.GET, Work.TOUCH, Work.APPEND, Work.READ, Work.SET, Work.MODIFY)
_CREATE_DELETE = (Work.CREATE, Work.DELETE)
_ENOUGH = 8 * 1024**2
"""Minimum growth in bytes of a process or server before bytes per item are computed."""


class _Stopped(Exception):
    """A stop was requested."""


async def measure_growth(
    make: Callable[[str], Subject],
    max_size: int,
    *,
    alone: bool = False,
    skew: float = 0.0,
    tell: Callable[[str], object] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[Growth, tuple[str, ...]]:
    """Measure a subject at sizes up to `max_size`; return the growth and its limitations.

    `make` makes an empty subject with a name. `alone` means that all names share one place, so
    there is no second subject to compare with. `skew` is the Zipf exponent of session popularity.
    When `stopped` returns True, the results so far are returned.
    Raises `ValueError` for a size below 1,000, and what the subject raises.
    """
    measuring = _Measuring(make, max_size, alone=alone, skew=skew, tell=tell, stopped=stopped)
    with suppress(_Stopped):
        await measuring.all()
    return measuring.result(), measuring.limitations


def sizes_up_to(maximum: int, /) -> list[int]:
    """Return sizes from 1,000, two per decade. Raises `ValueError` for less."""
    if maximum < SMALLEST:
        raise ValueError(f"a size must be at least {SMALLEST:,}")
    steps = int(2 * math.log10(maximum / SMALLEST) + 1e-9)
    sizes = [round(SMALLEST * 10 ** (step / 2)) for step in range(steps + 1)]
    return [*sizes, maximum] if sizes[-1] < 0.9 * maximum else [*sizes[:-1], maximum]


def fit_exponent(points: Sequence[Point], /) -> float | None:
    """Fit a straight line through the logarithms by least squares and return its slope."""
    if len({point.size for point in points}) < 2:
        return None
    sizes = [math.log(point.size) for point in points]
    costs = [math.log(max(point.cost.median, 1e-9)) for point in points]
    return linear_regression(sizes, costs).slope


class _Measuring:
    """The measurements in their order; those that need an empty process come first."""

    def __init__(
        self,
        make: Callable[[str], Subject],
        max_size: int,
        *,
        alone: bool,
        skew: float,
        tell: Callable[[str], object],
        stopped: Callable[[], bool],
    ) -> None:
        self._make, self._alone, self._tell, self._stopped = make, alone, tell, stopped
        self._skew = skew
        self._sizes = sizes_up_to(max_size)
        self._rows: dict[tuple[str, str], list[Point]] = {}
        self._bytes: dict[str, float] = {}
        self._stall_ns = 0
        self.limitations: tuple[str, ...] = ()

    def result(self) -> Growth:
        """Return the results so far."""
        return Growth(
            curves=tuple(
                Curve(what, over, tuple(points), fit_exponent(points))
                for (what, over), points in self._rows.items()
            ),
            session_bytes=self._bytes.get("sessions"),
            frame_bytes=self._bytes.get("frames"),
            frame_payload=FilledSubject.payload_bytes,
            stall_ms=self._stall_ns / 1e6,
            skew=self._skew,
        )

    async def all(self) -> None:
        """Measure memory, callers and batches, then growth."""
        if not self._alone:
            async with FilledSubject(self._make("memory"), small=False) as filled:
                await self._memory(filled)
        async with FilledSubject(self._make("crowds"), cleanup=self._alone) as filled:
            self.limitations = list_limitations(filled.subject)
            await self._crowds(filled)
        async with FilledSubject(
            self._make("large"), cleanup=self._alone, skew=self._skew
        ) as subject:
            if self._alone:
                await self._grow(subject, None)
                return
            async with FilledSubject(self._make("small"), skew=self._skew) as small:
                await self._grow(subject, small)

    async def _memory(self, filled: FilledSubject) -> None:
        steps = {"sessions": (filled.create, min(self._sizes[-1], MAX_SESSIONS))}
        if Work.APPEND in filled.offers:
            steps["frames"] = (filled.lengthen, self._sizes[-1])
        for over, (grown, size) in steps.items():
            self._at(f"memory of {size:,} {over}")
            gc.collect()
            before = await filled.memory_used()
            await grown(size, self._stopped)
            gc.collect()
            more = await filled.memory_used() - before
            if more > _ENOUGH and not self._stopped():
                self._bytes[over] = more / size

    async def _crowds(self, filled: FilledSubject) -> None:
        for callers in _CALLERS:
            for work in (Work.GET, Work.APPEND):
                if work in filled.offers:
                    sample = Sample(work, callers)
                    await self._point(work.value, "callers", callers, sample, subject=filled)
        if Work.APPEND in filled.offers:
            for batch in _BATCHES:
                sample = Sample(Work.APPEND, 16, batch=batch)
                await self._point("append_many", "batch", batch, sample, subject=filled)

    async def _grow(self, subject: FilledSubject, small: FilledSubject | None) -> None:
        few = [size for size in self._sizes if size <= MAX_SESSIONS]
        samples = _of_sessions(subject)
        lookups = DictLookups()
        for size in few:
            await self._over(
                "sessions", [size], subject.fill, samples, subject=subject, small=small
            )
            self._look_up(lookups, size, subject=subject, small=small)
        if Work.APPEND in subject.offers:
            samples = _of_frames(subject)
            await self._over(
                "frames", self._sizes, subject.lengthen, samples, subject=subject, small=small
            )

    async def _over(
        self,
        over: str,
        sizes: Sequence[int],
        grown: Callable[[int, Callable[[], bool]], Awaitable[None]],
        samples: dict[str, Sample],
        *,
        subject: FilledSubject,
        small: FilledSubject | None,
    ) -> None:
        for size in sizes:
            self._at(f"growing to {size:,} {over}")
            await grown(size, self._stopped)
            for filled in filter(None, (subject, small)):
                await filled.read_all()
            for what, sample in samples.items():
                if sample.work is not Work.LIST or size <= _MAX_LISTED:
                    await self._point(what, over, size, sample, subject=subject, small=small)

    def _look_up(
        self,
        lookups: DictLookups,
        size: int,
        *,
        subject: FilledSubject,
        small: FilledSubject | None,
    ) -> None:
        """Measure a plain dict of the same size, beside the subject."""
        what, over = "dict lookup", "sessions"
        self._at(f"{what} at {size:,} {over}")
        lookups.fill(size)
        points = self._rows.setdefault((what, over), [])
        base = points[0].cost.median if points else None
        points.append(Point(size, lookups.measure(subject, small, base=base)))

    async def _point(
        self,
        what: str,
        over: str,
        size: int,
        sample: Sample,
        *,
        subject: FilledSubject,
        small: FilledSubject | None = None,
    ) -> None:
        self._at(f"{what} at {size:,} {over}")
        points = self._rows.setdefault((what, over), [])
        base = points[0].cost.median if points else None
        gc.collect()
        cost, stall_ns = await measure_cost(subject, small, sample, size=size, base=base)
        points.append(Point(size, cost))
        if over in ("sessions", "frames") and sample.work is not Work.LIST:
            self._stall_ns = max(self._stall_ns, stall_ns)

    def _at(self, what: str) -> None:
        if self._stopped():
            raise _Stopped
        self._tell(what)


def _of_sessions(filled: FilledSubject) -> dict[str, Sample]:
    samples = {work.value: Sample(work, 64) for work in _ONE_SESSION if work in filled.offers}
    if filled.offers.issuperset(_CREATE_DELETE):
        samples["create+delete"] = Sample(Work.CREATE, 64)
    if filled.sweeps:
        samples["sweep"] = Sample(None, 1)
    if Work.LIST in filled.offers:
        samples["list"] = Sample(Work.LIST, 1)
    return samples


def _of_frames(filled: FilledSubject) -> dict[str, Sample]:
    works = (Work.APPEND, Work.READ)
    return {work.value: Sample(work, 64, long=True) for work in works if work in filled.offers}
