"""Combines the reports of all processes and rounds into results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from .latencies import Histogram
from .load import Load
from .load_steps import unsupported_works
from .losses import NOTHING_STORED, add_stored, compare_stored
from .protocol import RoundReport, StoredReport
from .results import LoadResult, Spread, WorkResult
from .subject import Work

__all__ = ["Round", "combine_rounds", "measure_spread"]

_MB = 1024**2


@dataclass(frozen=True, slots=True)
class Round:
    """One round of one subject: the report of each process, and what was stored."""

    reports: tuple[RoundReport, ...]
    found: StoredReport | None

    @property
    def per_second(self) -> float:
        """Operations per second of all processes together."""
        return sum(each.completed / each.seconds for each in self.reports if each.seconds > 0)


def measure_spread(values: Sequence[float], /) -> Spread:
    """Return the median, the minimum and the maximum."""
    return Spread(median(values), min(values), max(values))


def combine_rounds(load: Load, offers: Sequence[str], rounds: Sequence[Round], /) -> LoadResult:
    """Combine the rounds of one load; there is at least one."""
    reports = [report for each in rounds for report in each.reports]
    histograms: dict[str, Histogram] = {}
    for report in reports:
        for work, encoded in report.histograms.items():
            histograms.setdefault(work, Histogram()).add_encoded(encoded)
    whole = Histogram()
    for histogram in histograms.values():
        whole.add(histogram)
    stored = NOTHING_STORED
    for each in rounds:
        stored = add_stored(stored, compare_stored(each.reports, each.found))
    depths = [report.depth for report in reports if report.depth is not None]
    grown = [each.server_grown / _MB for each in reports if each.server_grown is not None]
    errors: Counter[str] = Counter()
    for report in reports:
        errors.update(report.errors)
    return LoadResult(
        load=load,
        rounds=len(rounds),
        per_second=measure_spread([each.per_second for each in rounds]),
        latency=whole.latency(),
        works=_works(histograms),
        left_out=tuple(unsupported_works(load.mix, {Work(each) for each in offers})),
        stall_ms=max(report.stall_ns for report in reports) / 1e6,
        gc_pauses=sum(report.gc_pauses for report in reports),
        gc_longest_ms=max(report.gc_longest_ns for report in reports) / 1e6,
        gc_share=sum(each.gc_ns for each in reports) / 1e9 / sum(each.seconds for each in reports),
        mailbox_depth=max(depths, default=None),
        rss_mb=max(sum(each.rss_after for each in one.reports) for one in rounds) / _MB,
        rss_grown_mb=max(
            sum(each.rss_after - each.rss_before for each in one.reports) for one in rounds
        )
        / _MB,
        server_mb=max(grown, default=None),
        errors=dict(errors),
        late=sum(report.late for report in reports),
        ended_early=any(report.ended_early for report in reports),
        stored=stored,
    )


def _works(histograms: dict[str, Histogram]) -> tuple[WorkResult, ...]:
    results: list[WorkResult] = []
    for work in Work:
        histogram = histograms.get(work.value)
        latency = None if histogram is None else histogram.latency()
        if latency is not None:
            results.append(WorkResult(work.value, latency.count, latency))
    return tuple(results)
