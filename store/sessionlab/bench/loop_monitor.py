"""What a loop suffers while it is measured: gaps, garbage collections, a queue."""

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
    """A context: while it lasts, it wakes every millisecond and notes how late it was woken."""

    def __init__(self, depth: Callable[[], int | None] = lambda: None) -> None:
        self._depth = depth
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0
        self._collecting = 0
        self.longest = 0
        """Nanoseconds that the loop was late at most."""
        self.deepest: int | None = None
        """What `depth` returned at most."""
        self.pauses = self.longest_pause = self.paused = 0
        """Garbage collections: how many, the longest and all of them in nanoseconds."""

    def __enter__(self) -> LoopMonitor:
        gc.callbacks.append(self._collects)
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        gc.callbacks.remove(self._collects)
        if self._timer is not None:
            self._timer.cancel()
        # What began and has not ended: the loop may have been held up until this moment.
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
    """Return the memory this process holds, or what it held at most where only that is told."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        maximum = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return maximum if sys.platform == "darwin" else maximum * 1024
