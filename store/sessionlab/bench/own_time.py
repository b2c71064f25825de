"""Time without what other programs took: what a quiet machine would have needed.

Linux counts, for each thread, the nanoseconds in which it ran, and those in which it could have run
and was not let. The latter are left out where one thread did all the work; where several did, one
may have run while another waited, and the clock is all there is. Waiting for a disk always counts.
"""

from __future__ import annotations

import os
import threading
from time import perf_counter_ns, thread_time_ns

__all__ = ["OwnTime"]

_TASKS = "/proc/self/task"
_ALONE = 0.05
"""Of the time this thread ran: others that ran for less had no part in it."""


class OwnTime:
    """A stopwatch of one thread: `lap` says how long it was since it was made, in nanoseconds."""

    __slots__ = ("_before", "_begun", "_ran", "_thread")

    def __init__(self) -> None:
        self._thread = threading.get_native_id()
        self._before = _threads()
        self._ran = thread_time_ns()
        self._begun = perf_counter_ns()

    def lap(self) -> int:
        """Return nanoseconds; on other systems than Linux those of the clock."""
        took = perf_counter_ns() - self._begun
        # The system brings what it says of the thread that runs up to date only now and then.
        ran = thread_time_ns() - self._ran
        waited = others = 0
        for thread, (now_ran, now_waited) in _threads().items():
            before_ran, before_waited = self._before.get(thread, (0, 0))
            if thread == self._thread:
                waited = now_waited - before_waited
            else:
                others += now_ran - before_ran
        # What it ran for is the least that it can have needed.
        return took if others > _ALONE * ran else min(took, max(ran, took - waited))


def _threads() -> dict[int, tuple[int, int]]:
    """For each thread of this process, nanoseconds that it ran and that it waited to run."""
    found: dict[int, tuple[int, int]] = {}
    try:
        for thread in os.listdir(_TASKS):
            with open(f"{_TASKS}/{thread}/schedstat", encoding="ascii") as file:
                ran, waited = file.read().split()[:2]
            found[int(thread)] = int(ran), int(waited)
    except (OSError, ValueError):
        return {}  # another system, or a thread that has just ended
    return found
