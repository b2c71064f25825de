"""How long reading and checking may take, and how often they look at the clock.

Rule: a loop over what comes from a file passes through `watch`, or calls `spend` for its work; what
is as slow as a call of a model calls `look`. Between two looks there is a bounded number of steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf
from time import monotonic
from typing import TypeVar

__all__ = ["UNLIMITED", "OutOfTime", "TimeLimit"]

T = TypeVar("T")

_ITEMS = 64
"""Items of `watch` between two looks: each may cost a few calls of a model."""
_WORK = 5_000
"""Units of `spend` between two looks: a unit is a few steps of the interpreter."""


class OutOfTime(Exception):
    """The time limit has passed."""


class TimeLimit:
    """So many seconds from now; None for no limit."""

    def __init__(self, seconds: float | None) -> None:
        self._deadline = inf if seconds is None else monotonic() + seconds
        self._work = 0

    @property
    def left(self) -> float | None:
        """Seconds that are left, not below 0; None without a limit."""
        return None if self._deadline == inf else max(0.0, self._deadline - monotonic())

    def within(self, seconds: float) -> TimeLimit:
        """Return a limit of `seconds` from now that does not pass later than this one."""
        inner = TimeLimit(seconds)
        inner._deadline = min(inner._deadline, self._deadline)
        return inner

    def look(self) -> None:
        """Raise `OutOfTime` if the limit has passed."""
        if self._deadline != inf and monotonic() >= self._deadline:
            raise OutOfTime

    def spend(self, work: int) -> None:
        """Count work, and look at the clock when enough has been done."""
        self._work += work
        if self._work > _WORK:
            self._work = 0
            self.look()

    def watch(self, items: Iterable[T]) -> Iterable[T]:
        """Return the items, with a look at the clock among them."""
        return items if self._deadline == inf else self._watch(items)

    def _watch(self, items: Iterable[T]) -> Iterator[T]:
        self.look()
        for number, item in enumerate(items, 1):
            if not number % _ITEMS:
                self.look()
            yield item


UNLIMITED = TimeLimit(None)
