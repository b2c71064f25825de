"""How long responses took: exact sums over all, a median over the latest."""

from __future__ import annotations

from collections import deque
from statistics import median

from .statistics import LatencyStatistics

__all__ = ["LatencyWindow"]

WINDOW = 1_024
"""The latest responses, for median and p99."""


class LatencyWindow:
    """Seconds from request to response, in bounded memory."""

    __slots__ = ("_count", "_latest", "_max", "_total")

    def __init__(self) -> None:
        self._count = 0
        self._total = self._max = 0.0
        self._latest: deque[float] = deque(maxlen=WINDOW)

    def add(self, seconds: float) -> None:
        """Count one response. O(1)."""
        self._count += 1
        self._total += seconds
        self._max = max(self._max, seconds)
        self._latest.append(seconds)

    def statistics(self) -> LatencyStatistics:
        """Summarize; None if nothing was counted. O(window)."""
        if not self._count:
            return LatencyStatistics(count=0, mean=None, max=None, median=None, p99=None)
        latest = sorted(self._latest)
        return LatencyStatistics(
            count=self._count,
            mean=self._total / self._count,
            max=self._max,
            median=median(latest),
            # The nearest rank: the smallest that 99 % do not exceed.
            p99=latest[-(-len(latest) * 99 // 100) - 1],
        )
