"""Latencies in HDR histograms: three digits, from a nanosecond to an hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from importlib import import_module
from typing import Protocol, cast

from .results import LatencySummary

__all__ = ["Histogram"]

_HOUR = 3_600_000_000_000
_QUANTILES = (50.0, 90.0, 99.0, 99.9, 99.99)
_CURVE = (
    *(float(n) for n in range(0, 90, 10)),
    *(90.0, 92.0, 94.0, 96.0, 97.0, 98.0, 99.0, 99.3, 99.5, 99.7, 99.8, 99.9),
    *(99.93, 99.95, 99.97, 99.98, 99.99, 99.993, 99.997, 99.999),
)


class _Counts(Protocol):
    """The part of `hdrh` that is used; the package has no annotations."""

    total_count: int

    def record_value(self, value: int, count: int = 1) -> bool: ...
    def get_value_at_percentile(self, percentile: float) -> int: ...
    def get_max_value(self) -> int: ...
    def encode(self) -> bytes: ...
    def decode_and_add(self, encoded: bytes) -> None: ...
    def add(self, other: _Counts) -> None: ...


class Histogram:
    """Counts of latencies in nanoseconds."""

    def __init__(self) -> None:
        # By name: the package has no types.
        made = import_module("hdrh.histogram").HdrHistogram
        self._counts = cast("_Counts", made(1, _HOUR, 3))

    def __len__(self) -> int:
        return self._counts.total_count

    def record(self, nanoseconds: Iterable[int], /) -> None:
        """Count latencies; more than an hour counts as an hour."""
        for value, count in Counter(nanoseconds).items():
            self._counts.record_value(min(max(value, 1), _HOUR), count)

    def add(self, other: Histogram, /) -> None:
        """Add the counts of another histogram."""
        self._counts.add(other._counts)

    def encoded(self) -> str:
        """Return the compressed form that all implementations of HDR histograms read."""
        return self._counts.encode().decode("ascii")

    def add_encoded(self, text: str, /) -> None:
        """Add the counts of a histogram in that form."""
        self._counts.decode_and_add(text.encode("ascii"))

    def latency(self) -> LatencySummary | None:
        """Return its percentiles; None when nothing was counted."""
        counts = self._counts
        if not counts.total_count:
            return None

        def micros(percentile: float) -> float:
            return counts.get_value_at_percentile(percentile) / 1_000

        p50, p90, p99, p999, p9999 = map(micros, _QUANTILES)
        # Beyond the last value, a percentile only repeats the maximum.
        known = [each for each in _CURVE if (100 - each) / 100 * counts.total_count >= 1]
        return LatencySummary(
            count=counts.total_count,
            p50_us=p50,
            p90_us=p90,
            p99_us=p99,
            p999_us=p999,
            p9999_us=p9999,
            max_us=counts.get_max_value() / 1_000,
            curve=tuple((each, micros(each)) for each in known),
        )
