"""Rows in order of a moment, and with equal moments in order of their ids."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import takewhile

from ..operations.session_row import SessionRow
from ..values.clock import micros
from ..values.ids import encoded_id

__all__ = ["TimeOrder"]

_STALE = 64


class TimeOrder:
    """Rows by id; a row that is added or moved to the end has the latest moment.

    Rows whose moment lies before that, which only an archive brings, wait in a heap beside them.
    Moments are compared in microseconds, as a server does. A clock that stands still gives many
    rows one moment: they are put in order once, when the first of them is asked for.
    """

    __slots__ = ("_early", "_heap", "_moment", "_rows", "_sorted")

    def __init__(self, moment: Callable[[SessionRow], float]) -> None:
        self._rows: OrderedDict[str, SessionRow] = OrderedDict()
        self._moment = moment
        self._sorted: float | None = None
        """The earliest moment, whose rows have been sorted."""
        self._early: dict[int, SessionRow] = {}
        self._heap: list[tuple[float, str, int]] = []
        """Moment, encoded id and creation number of the early rows, and of some removed ones."""

    def __len__(self) -> int:
        return len(self._rows) + len(self._early)

    def remove(self, row: SessionRow) -> bool:
        """Remove a row; return whether it existed. O(1), spread over calls for an early one."""
        if self._rows.pop(row.id, None) is not None:
            return True
        if self._early.pop(row.number, None) is None:
            return False
        if len(self._heap) > 2 * len(self._early) + _STALE:
            self._heap = [each for each in self._heap if each[2] in self._early]
            heapify(self._heap)
        return True

    def add(self, row: SessionRow) -> None:
        """Move a row to the last place, or add it there; O(1)."""
        self._rows[row.id] = row
        self._rows.move_to_end(row.id)
        self._sorted = None

    def insert(self, row: SessionRow) -> None:
        """Add a row at the place of its moment; O(log early rows)."""
        last = next(reversed(self._rows.values()), None)
        if last is None or self._micros(row) >= self._micros(last):
            self.add(row)
            return
        self._early[row.number] = row
        heappush(self._heap, (self._micros(row), encoded_id(row.id), row.number))

    def first(self) -> SessionRow | None:
        """Return the first row; O(1), plus sorting new rows with the same moment."""
        row = self._first_in_turn()
        while self._heap and self._heap[0][2] not in self._early:
            heappop(self._heap)
        if not self._heap:
            return row
        moment, encoded, number = self._heap[0]
        if row is None or (moment, encoded) < (self._micros(row), encoded_id(row.id)):
            return self._early[number]
        return row

    def _first_in_turn(self) -> SessionRow | None:
        rows = iter(self._rows.values())
        row = next(rows, None)
        if row is None:
            return None
        moment = self._micros(row)
        if moment == self._sorted:
            return row
        tied = [row, *takewhile(lambda each: self._micros(each) == moment, rows)]
        tied.sort(key=lambda each: encoded_id(each.id), reverse=True)
        if len(tied) > 1:
            for each in tied:
                self._rows.move_to_end(each.id, last=False)
        self._sorted = moment
        return tied[-1]

    def _micros(self, row: SessionRow) -> float:
        return micros(self._moment(row))
