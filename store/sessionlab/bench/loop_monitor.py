"""Watches an event loop while it is measured: gaps, garbage collections, queue depth."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
from collections.abc import Callable, Mapping
from time import perf_counter_ns

__all__ = ["LoopMonitor", "rss_bytes"]

_TICK = 0.001


class LoopMonitor:
    """A context manager: it wakes every millisecond and records how late it was woken."""

    def __init__(self, depth: Callable[[], int | None] = lambda: None) -> None:
        self._depth = depth
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0
        self._collecting = 0
        self.longest = 0
        """Longest delay of the loop in nanoseconds."""
        self.deepest: int | None = None
        """Largest value that `depth` returned."""
        self.pauses = self.longest_pause = self.paused = 0
        """Garbage collections: their number, and the longest and total pause in nanoseconds."""

    def __enter__(self) -> LoopMonitor:
        gc.callbacks.append(self._collects)
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        gc.callbacks.remove(self._collects)
        if self._timer is not None:
            self._timer.cancel()
        # Include a gap that has not ended yet.
        self.longest = max(self.longest, perf_counter_ns() - self._due)

    def _wait(self) -> None:
        self._due = perf_counter_ns() + int(_TICK * 1e9)
        self._timer = asyncio.get_running_loop().call_later(_TICK, self._wake)

    def _wake(self) -> None:
        self.longest = max(self.longest, perf_counter_ns() - self._due)
        depth = self._depth()
        if depth is not None:
            self.deepest = max(self.deepest or 0, depth)
        self._wait()

    def _collects(self, phase: str, _: Mapping[str, int]) -> None:
        if phase == "start":
            self._collecting = perf_counter_ns()
        elif self._collecting:
            took = perf_counter_ns() - self._collecting
            self.pauses += 1
            self.paused += took
            self.longest_pause = max(self.longest_pause, took)


def rss_bytes() -> int:
    """Return the memory of this process, or its maximum where only that is known."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        maximum = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return maximum if sys.platform == "darwin" else maximum * 1024
