"""Time without what other programs took: what a quiet machine would have needed.

Linux counts, for each thread, the nanoseconds in which it could have run and was not let. Waiting
for a disk or a peer is no part of that, and stays in what is measured.
"""

from __future__ import annotations

import os
from time import perf_counter_ns

__all__ = ["OwnTime"]

_TASKS = "/proc/self/task"


class OwnTime:
    """A stopwatch: `lap` says how long it was since it was made, or since the last one, in ns."""

    __slots__ = ("_begun", "_waited")

    def __init__(self) -> None:
        self._waited = _waited_ns()
        self._begun = perf_counter_ns()

    def lap(self) -> int:
        """Return nanoseconds, on other systems than Linux those of the clock."""
        took = perf_counter_ns() - self._begun
        waited = _waited_ns()
        own = max(1, took - max(0, waited - self._waited))
        self._waited = waited
        self._begun = perf_counter_ns()
        return own


def _waited_ns() -> int:
    """Nanoseconds that all threads of this process waited for a processor."""
    waited = 0
    try:
        for thread in os.listdir(_TASKS):
            with open(f"{_TASKS}/{thread}/schedstat", encoding="ascii") as file:
                waited += int(file.read().split()[1])
    except (OSError, ValueError, IndexError):
        return 0  # another system, or a thread that has just ended
    return waited
