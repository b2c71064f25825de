"""Rows in order of a moment, and where two share it, of their ids."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import takewhile

from ..operations.session_row import SessionRow
from ..values.clock import micros
from ..values.ids import encoded_id

__all__ = ["TimeOrder"]


class TimeOrder:
    """Rows by id; whoever is added or moved to the end has the latest moment.

    Moments are compared in microseconds, as a server does. A clock that stands still gives many
    rows one moment: they are put in order once, when the first of them is asked for.
    """

    __slots__ = ("_moment", "_rows", "_sorted")

    def __init__(self, moment: Callable[[SessionRow], float]) -> None:
        self._rows: OrderedDict[str, SessionRow] = OrderedDict()
        self._moment = moment
        self._sorted: float | None = None
        """The moment whose rows, the first ones, are in order."""

    def __len__(self) -> int:
        return len(self._rows)

    def remove(self, row: SessionRow) -> bool:
        """Remove a row; say whether it was there. O(1)."""
        return self._rows.pop(row.id, None) is not None

    def add(self, row: SessionRow) -> None:
        """Give a row the last place, whether it has one or not; O(1)."""
        self._rows[row.id] = row
        self._rows.move_to_end(row.id)
        self._sorted = None

    def first(self) -> SessionRow | None:
        """Return the first row; O(1), but for those that share its moment and came since."""
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
