"""Elapsed time minus the time that other programs took: the time on a quiet machine.

Linux counts for each thread how long it ran and how long it waited for a processor. The waiting is
subtracted if one thread did all the work. With several threads, one may have run while another
waited, so the plain clock is used. Waiting for a disk always counts.
"""

from __future__ import annotations

import os
import threading
from time import perf_counter_ns, thread_time_ns

__all__ = ["OwnTime"]

_TASKS = "/proc/self/task"
_ALONE = 0.05
"""Share of the time of this thread: threads that ran for less did no part of the work."""


class OwnTime:
    """A stopwatch of one thread: `lap` returns the nanoseconds since it was made."""

    __slots__ = ("_before", "_begun", "_ran", "_thread")

    def __init__(self) -> None:
        self._thread = threading.get_native_id()
        self._before = _threads()
        self._ran = thread_time_ns()
        self._begun = perf_counter_ns()

    def lap(self) -> int:
        """Return nanoseconds; on systems other than Linux, those of the clock."""
        took = perf_counter_ns() - self._begun
        # The system updates its statistics of a running thread only now and then.
        ran = thread_time_ns() - self._ran
        waited = others = 0
        for thread, (now_ran, now_waited) in _threads().items():
            before_ran, before_waited = self._before.get(thread, (0, 0))
            if thread == self._thread:
                waited = now_waited - before_waited
            else:
                others += now_ran - before_ran
        # The result is never less than the time that this thread ran.
        return took if others > _ALONE * ran else min(took, max(ran, took - waited))


def _threads() -> dict[int, tuple[int, int]]:
    """Return the nanoseconds that each thread ran and waited for a processor."""
    found: dict[int, tuple[int, int]] = {}
    try:
        for thread in os.listdir(_TASKS):
            with open(f"{_TASKS}/{thread}/schedstat", encoding="ascii") as file:
                ran, waited = file.read().split()[:2]
            found[int(thread)] = int(ran), int(waited)
    except (OSError, ValueError):
        return {}  # another system, or a thread that has just ended
    return found
