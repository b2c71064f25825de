"""Live rows in order of their last activity, which can be walked backwards from any moment."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from ..operations.session_row import SessionRow
from ..values.clock import micros
from ..values.ids import encoded_id

__all__ = ["ActivityOrder", "ActivityRow"]

_BLOCK = 1024


# A plain dict: with many blocks it takes half the time of one that is ordered by links.
class _Block(dict[str, "ActivityRow"]):
    __slots__ = ("number", "since")
    number: int
    since: float
    """The earliest moment that a row of it can have; all rows of earlier blocks are not later."""


class ActivityRow(SessionRow):
    """A row that knows its block."""

    __slots__ = ("block",)
    block: _Block | None


class ActivityOrder:
    """Rows by id, in blocks of 1,024; a row that is added or moved to the end is the latest.

    So the rows before a moment are found without a walk over all that are later. Moments are
    compared in microseconds. Rows of one moment are put in order of their ids once, when the first
    of them is asked for.
    """

    __slots__ = ("_blocks", "_last", "_sorted")

    def __init__(self) -> None:
        self._last = _Block()
        self._last.number, self._last.since = 0, 0.0
        self._blocks = [self._last]
        """Those with rows, and the last one."""
        self._sorted: float | None = None
        """The earliest moment, whose rows have been sorted."""

    def __len__(self) -> int:
        return sum(map(len, self._blocks))

    def add(self, row: ActivityRow) -> None:
        """Move a row to the last place, or add it there; O(1)."""
        block, last = row.block, self._last
        id_ = row.id
        if block is last:
            del last[id_]
            last[id_] = row
        else:
            if block is not None:
                self._take(row, block)
            if not last or len(last) >= _BLOCK:
                last = self._begin_block(row)
            last[id_] = row
            row.block = last
        self._sorted = None

    def remove(self, row: ActivityRow) -> bool:
        """Remove a row; return whether it existed. O(1)."""
        block = row.block
        if block is None:
            return False
        self._take(row, block)
        row.block = None
        return True

    def first(self) -> ActivityRow | None:
        """Return the first row, with equal moments by id; O(1), plus sorting new equal ones."""
        block = self._blocks[0]
        row = next(iter(block.values()), None)
        if row is None:
            return None
        moment = micros(row.steady_active_at)
        if moment == self._sorted:
            return row
        tied = sorted(self._with_moment(moment), key=lambda each: encoded_id(each.id))
        if len(tied) > 1:
            for each in tied:
                self.remove(each)
            later = [*block.values()]
            block.clear()
            for each in (*tied, *later):
                block[each.id], each.block = each, block
            if block is not self._blocks[0]:  # it had no other rows
                self._blocks.insert(0, block)
        self._sorted = moment
        return tied[0]

    def newest(self, until: float | None) -> Iterator[tuple[float, SessionRow]]:
        """All rows up to a moment, None for all, the latest first; the first is found at once."""
        place = len(self._blocks)
        if until is not None:
            place = bisect_right(self._blocks, until, key=lambda block: block.since)
        while place > 0:
            place -= 1
            for row in reversed(self._blocks[place].values()):
                moment = micros(row.steady_active_at)
                if until is None or moment <= until:
                    yield moment, row

    def _with_moment(self, moment: float) -> Iterator[ActivityRow]:
        for block in self._blocks:
            for row in block.values():
                if micros(row.steady_active_at) != moment:
                    return
                yield row

    def _begin_block(self, row: ActivityRow) -> _Block:
        if self._last:
            number = self._last.number + 1
            self._last = _Block()
            self._last.number = number
            self._blocks.append(self._last)
        self._last.since = micros(row.steady_active_at)
        return self._last

    def _take(self, row: ActivityRow, block: _Block) -> None:
        del block[row.id]
        if not block and block is not self._last:
            del self._blocks[bisect_left(self._blocks, block.number, key=lambda s: s.number)]
