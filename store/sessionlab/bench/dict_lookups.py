"""Looks random names up in plain dicts: the growth that no store in memory can avoid.

An entry, its key and its value are each somewhere else in memory. With many of them, they are in no
cache of the processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import quantiles

from .filled_subject import SMALLEST, FilledSubject, name_session
from .own_time import OwnTime
from .results import Spread

__all__ = ["DictLookups"]

_TURNS, _LOOKUPS = 15, 10_000


class DictLookups:
    """A dict by the names of a subject's sessions, and a small one that stays as it is."""

    def __init__(self) -> None:
        self._held: dict[str, float] = {}
        self._small = {name_session(number): float(number) for number in range(SMALLEST)}

    def __repr__(self) -> str:
        return f"<DictLookups in {len(self._held):,}>"

    def fill(self, size: int, /) -> None:
        """Add names up to this number; O(names added)."""
        for number in range(len(self._held), size):
            self._held[name_session(number)] = float(number)

    def measure(
        self, subject: FilledSubject, small: FilledSubject | None, /, *, base: float | None
    ) -> Spread:
        """Return the microseconds per lookup of names that are chosen as calls on `subject` are.

        With a `small` subject, the cost is `base` times the ratio of the two dicts, as for a call.
        The first turn of each is discarded.
        """
        ours: list[float] = []
        for turn in range(_TURNS + 1):
            cost = _turn(self._held, subject.keys(_LOOKUPS, long=False))
            if small is not None:
                fewer = _turn(self._small, small.keys(_LOOKUPS, long=False))
                cost *= 1 if base is None else base / fewer
            if turn:
                ours.append(cost)
        low, middle, high = quantiles(ours, n=4, method="inclusive")
        return Spread(middle, low, high)


def _turn(held: dict[str, float], keys: Sequence[str]) -> float:
    time = OwnTime()
    for key in keys:
        held[key]
    return time.lap() / len(keys) / 1e3
