"""What a benchmark found: plain values that the terminal, the page and programs are shown."""

from __future__ import annotations

from dataclasses import dataclass

from .load import Load

__all__ = [
    "BenchResult",
    "Curve",
    "Growth",
    "LatencySummary",
    "LoadResult",
    "Point",
    "Spread",
    "Stored",
    "SubjectResult",
    "WorkResult",
]


@dataclass(frozen=True, slots=True)
class Spread:
    """A number that was measured several times.

    From the least to the largest round of a load; the middle half of the turns of a cost.
    """

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """How long calls took, in microseconds."""

    count: int
    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    p9999_us: float
    max_us: float
    curve: tuple[tuple[float, float], ...]
    """Percentile and microseconds, as far as there were calls enough to tell."""

    @property
    def p99_over_p50(self) -> float:
        """How much longer one call in a hundred takes than one in two."""
        return self.p99_us / max(self.p50_us, 1e-3)


@dataclass(frozen=True, slots=True)
class WorkResult:
    """One work of a load."""

    work: str
    count: int
    latency: LatencySummary


@dataclass(frozen=True, slots=True)
class Stored:
    """What was really stored, beside what was acknowledged."""

    messages: int
    """Acknowledged, with those that each round began with."""
    lost_messages: int
    extra_messages: int
    """There, and never asked for."""
    updates: int
    lost_updates: int
    extra_updates: int
    unknown: int
    """Messages and updates that failed or were given up: they may be there or not."""
    checked: bool
    """False when a run was interrupted before it could look."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """One subject under one load."""

    load: Load
    rounds: int
    per_second: Spread
    latency: LatencySummary | None
    works: tuple[WorkResult, ...]
    left_out: tuple[str, ...]
    """Works of the mix that the subject does not offer."""
    stall_ms: float
    """The longest time in which the loop served nobody else."""
    gc_pauses: int
    gc_longest_ms: float
    gc_share: float
    """Of the time, 0 to 1."""
    mailbox_depth: int | None
    """The deepest that was seen; None without a mailbox."""
    rss_mb: float
    """Of all processes at the end of a round, the largest."""
    rss_grown_mb: float
    """Since the round began."""
    server_mb: float | None
    """What its server holds more than before the round, at most; None without one."""
    errors: dict[str, int]
    """By the name of their class."""
    late: int
    """Arrivals that came and were never begun: counted with the time they waited."""
    ended_early: bool
    """A round reached the most bytes a round may hold."""
    stored: Stored

    @property
    def memory(self) -> str:
        """`59 MB`, and with a server `59 + 14 MB`: what the round has added there."""
        there = "" if self.server_mb is None else f" + {self.server_mb:,.0f}"
        return f"{self.rss_mb:,.0f}{there} MB"


@dataclass(frozen=True, slots=True)
class Point:
    """The cost at one size, in microseconds a call or a message."""

    size: int
    cost: Spread


@dataclass(frozen=True, slots=True)
class Curve:
    """Cost over size."""

    what: str
    over: str
    """`sessions`, `frames`, `callers` or `batch`."""
    points: tuple[Point, ...]
    exponent: float | None
    """Of the fitted power of the size; None with less than two points."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How a subject fares as it grows."""

    curves: tuple[Curve, ...]
    session_bytes: float | None
    """Memory of the process for a session; None when it did not grow enough to tell."""
    frame_bytes: float | None
    """The same of a message of `frame_payload` bytes."""
    frame_payload: int
    stall_ms: float
    """The longest in all of it."""
    skew: float = 0.0
    """Zipf's exponent for which sessions were asked for; 0 is even."""


@dataclass(frozen=True, slots=True)
class SubjectResult:
    """One subject."""

    name: str
    limitations: tuple[str, ...]
    measured: tuple[LoadResult, ...]
    growth: Growth | None = None


@dataclass(frozen=True, slots=True)
class BenchResult:
    """All of a run."""

    subjects: tuple[SubjectResult, ...]
    loop: str
    workers: int
    seconds: float
    interrupted: bool
    versions: dict[str, str]
    machine: str
