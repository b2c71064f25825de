"""Results of a benchmark: plain values for the terminal, the HTML page and programs."""

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
    """A number measured several times.

    `low` and `high` are the slowest and fastest round of a load, or the quartiles of a cost.
    """

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Latencies in microseconds."""

    count: int
    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    p9999_us: float
    max_us: float
    curve: tuple[tuple[float, float], ...]
    """Percentile and microseconds, as far as there were enough calls."""

    @property
    def p99_over_p50(self) -> float:
        """Ratio of p99 to p50."""
        return self.p99_us / max(self.p50_us, 1e-3)


@dataclass(frozen=True, slots=True)
class WorkResult:
    """One operation of a load."""

    work: str
    count: int
    latency: LatencySummary


@dataclass(frozen=True, slots=True)
class Stored:
    """What was stored, compared with what was acknowledged."""

    messages: int
    """Acknowledged messages, including those before each round."""
    lost_messages: int
    extra_messages: int
    """Stored, but never sent."""
    updates: int
    lost_updates: int
    extra_updates: int
    unknown: int
    """Messages and updates that failed or were abandoned: they may be stored or not."""
    checked: bool
    """False when the run was interrupted before the check."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """One subject under one load."""

    load: Load
    rounds: int
    per_second: Spread
    latency: LatencySummary | None
    works: tuple[WorkResult, ...]
    left_out: tuple[str, ...]
    """Operations of the mix that the subject does not offer."""
    stall_ms: float
    """Longest time in which the event loop served nothing else."""
    gc_pauses: int
    gc_longest_ms: float
    gc_share: float
    """Of the time, 0 to 1."""
    mailbox_depth: int | None
    """Largest depth seen; None without a mailbox."""
    rss_mb: float
    """Memory of all processes at the end of a round, the largest."""
    rss_grown_mb: float
    """Growth during a round."""
    server_mb: float | None
    """Growth of its server during a round, the largest; None without a server."""
    errors: dict[str, int]
    """Number of errors by class name."""
    late: int
    """Arrivals that were never started; their waiting counts as latency."""
    ended_early: bool
    """A round reached the maximum bytes of a round."""
    stored: Stored

    @property
    def memory(self) -> str:
        """`59 MB`, or `59 + 14 MB` with the growth of a server."""
        there = "" if self.server_mb is None else f" + {self.server_mb:,.0f}"
        return f"{self.rss_mb:,.0f}{there} MB"


@dataclass(frozen=True, slots=True)
class Point:
    """The cost at one size, in microseconds per call or message."""

    size: int
    cost: Spread


@dataclass(frozen=True, slots=True)
class Curve:
    """Cost by size."""

    what: str
    over: str
    """`sessions`, `frames`, `callers` or `batch`."""
    points: tuple[Point, ...]
    exponent: float | None
    """Exponent of the fitted power of the size; None with fewer than two points."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How the cost of a subject grows with its size."""

    curves: tuple[Curve, ...]
    session_bytes: float | None
    """Bytes of memory per session; None when the process grew too little to measure."""
    frame_bytes: float | None
    """Bytes of memory per message of `frame_payload` bytes."""
    frame_payload: int
    stall_ms: float
    """Longest gap of the event loop."""
    skew: float = 0.0
    """Zipf exponent of session popularity; 0 is uniform."""


@dataclass(frozen=True, slots=True)
class SubjectResult:
    """Results of one subject."""

    name: str
    limitations: tuple[str, ...]
    measured: tuple[LoadResult, ...]
    growth: Growth | None = None


@dataclass(frozen=True, slots=True)
class BenchResult:
    """Results of a whole run."""

    subjects: tuple[SubjectResult, ...]
    loop: str
    workers: int
    seconds: float
    interrupted: bool
    versions: dict[str, str]
    machine: str
