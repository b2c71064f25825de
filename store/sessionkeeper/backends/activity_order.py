"""Live rows in order of their last activity, which can be walked backwards from any moment."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from ..operations.session_row import SessionRow
from ..values.clock import micros
from ..values.ids import encoded_id

__all__ = ["ActivityOrder", "ActivityRow"]

_SHELF = 1024


# A plain dict: with many shelves it takes half the time of one that is ordered by links.
class _Shelf(dict[str, SessionRow]):
    __slots__ = ("number", "since")
    number: int
    since: float
    """The earliest moment that a row of it can have; all rows of earlier shelves are not later."""


class ActivityRow(SessionRow):
    """A row that knows its shelf."""

    __slots__ = ("shelf",)
    shelf: _Shelf | None


class ActivityOrder:
    """Rows by id, on shelves of 1,024; a row that is added or moved to the end is the latest.

    So the rows before a moment are found without a walk over all that are later. Moments are
    compared in microseconds. Rows of one moment are put in order of their ids once, when the first
    of them is asked for.
    """

    __slots__ = ("_last", "_shelves", "_sorted")

    def __init__(self) -> None:
        self._last = _Shelf()
        self._last.number, self._last.since = 0, 0.0
        self._shelves = [self._last]
        """All with rows, and the last one."""
        self._sorted: float | None = None
        """The earliest moment, whose rows have been sorted."""

    def __len__(self) -> int:
        return sum(map(len, self._shelves))

    def add(self, row: SessionRow) -> None:
        """Move a row to the last place, or add it there; O(1)."""
        shelf, last = row.shelf, self._last  # type: ignore[attr-defined]  # these rows have one
        id_ = row.id
        if shelf is last:
            del last[id_]
            last[id_] = row
        else:
            if shelf is not None:
                self._take(row, shelf)
            if not last or len(last) >= _SHELF:
                last = self._begin_shelf(row)
            last[id_] = row
            row.shelf = last  # type: ignore[attr-defined]
        self._sorted = None

    def remove(self, row: SessionRow) -> bool:
        """Remove a row; return whether it existed. O(1)."""
        shelf: _Shelf | None = row.shelf  # type: ignore[attr-defined]
        if shelf is None:
            return False
        self._take(row, shelf)
        row.shelf = None  # type: ignore[attr-defined]
        return True

    def first(self) -> SessionRow | None:
        """Return the first row, with equal moments by id; O(1), plus sorting new equal ones."""
        shelf = self._shelves[0]
        row = next(iter(shelf.values()), None)
        if row is None:
            return None
        moment = micros(row.steady_active_at)
        if moment == self._sorted:
            return row
        tied = sorted(self._with_moment(moment), key=lambda each: encoded_id(each.id))
        if len(tied) > 1:
            for each in tied:
                self._take(each, each.shelf)  # type: ignore[attr-defined]
            later = [*shelf.values()]
            shelf.clear()
            for each in (*tied, *later):
                shelf[each.id], each.shelf = each, shelf  # type: ignore[attr-defined]
            if shelf is not self._shelves[0]:  # it had no other rows
                self._shelves.insert(0, shelf)
        self._sorted = moment
        return tied[0]

    def newest(self, until: float | None) -> Iterator[tuple[float, SessionRow]]:
        """All rows up to a moment, None for all, the latest first; the first is found at once."""
        place = len(self._shelves)
        if until is not None:
            place = bisect_right(self._shelves, until, key=lambda shelf: shelf.since)
        while place > 0:
            place -= 1
            for row in reversed(self._shelves[place].values()):
                moment = micros(row.steady_active_at)
                if until is None or moment <= until:
                    yield moment, row

    def _with_moment(self, moment: float) -> Iterator[SessionRow]:
        for shelf in self._shelves:
            for row in shelf.values():
                if micros(row.steady_active_at) != moment:
                    return
                yield row

    def _begin_shelf(self, row: SessionRow) -> _Shelf:
        if self._last:
            number = self._last.number + 1
            self._last = _Shelf()
            self._last.number = number
            self._shelves.append(self._last)
        self._last.since = micros(row.steady_active_at)
        return self._last

    def _take(self, row: SessionRow, shelf: _Shelf) -> None:
        del shelf[row.id]
        if not shelf and shelf is not self._last:
            del self._shelves[bisect_left(self._shelves, shelf.number, key=lambda s: s.number)]
