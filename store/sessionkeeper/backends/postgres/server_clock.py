"""The time of the server: machines that share a store agree on it."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["ServerClock"]

MEASURED_EVERY = 60.0
"""Seconds after which the difference to the server's clock is measured again."""


class ServerClock:
    """The server's clock, in seconds since the epoch, without asking it each time.

    It is this machine's steady clock plus a difference, so it is right within half a round trip.
    It never goes back in a process, also when the server's does.
    """

    def __init__(self) -> None:
        self._difference = 0.0
        self._last = 0.0
        self._measured_at = float("-inf")

    def now(self) -> float:
        """Return the time."""
        self._last = now = max(self._last, time.monotonic() + self._difference)
        return now

    @property
    def is_due(self) -> bool:
        """Whether the difference should be measured again."""
        return time.monotonic() - self._measured_at > MEASURED_EVERY

    def measure(self, ask: Callable[[], float], *, times: int = 3) -> None:
        """Ask the server for its time; the fastest answer counts."""
        shortest = float("inf")
        for _ in range(times):
            asked = time.monotonic()
            told = ask()
            answered = time.monotonic()
            if answered - asked < shortest:
                shortest = answered - asked
                self._difference = told - (asked + answered) / 2
        self._measured_at = time.monotonic()
