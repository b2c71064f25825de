"""Rows in order of a key, which may be put anywhere in it and taken out again."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import TypeAlias

from ..operations.session_row import SessionRow

__all__ = ["SortedRows"]

_BLOCK = 512

_Entry: TypeAlias = "tuple[float, str | int, SessionRow]"


class SortedRows:
    """Rows by a moment in microseconds, and with equal moments by a tie: encoded ids or numbers.

    They lie in blocks of at most 1,024, so that nothing here takes time in proportion to all rows.
    """

    __slots__ = ("_blocks", "_entries")

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}
        """By the number of the row. A row may change; its entry is found as it was put in."""
        self._blocks: list[list[_Entry]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, row: SessionRow, moment: float, tie: str | int) -> None:
        """Put a row at its place, or move it there; O(log rows)."""
        self.remove(row)
        entry = self._entries[row.number] = (moment, tie, row)
        place = min(self._find_block(entry), len(self._blocks) - 1)
        if place < 0:
            self._blocks.append([entry])
            return
        block = self._blocks[place]
        insort(block, entry)
        if len(block) > 2 * _BLOCK:
            self._blocks.insert(place + 1, block[_BLOCK:])
            del block[_BLOCK:]

    def remove(self, row: SessionRow) -> bool:
        """Remove a row; return whether it was there. O(log rows)."""
        entry = self._entries.pop(row.number, None)
        if entry is None:
            return False
        place = self._find_block(entry)
        block = self._blocks[place]
        del block[bisect_left(block, entry)]
        if not block:
            del self._blocks[place]
        return True

    def first(self) -> SessionRow | None:
        """Return the first row; O(1)."""
        return self._blocks[0][0][2] if self._blocks else None

    def newest(self, until: float | None) -> Iterator[tuple[float, SessionRow]]:
        """All rows up to a moment, None for all, the last first; the first is found at once."""
        blocks = self._blocks
        place = len(blocks)
        if until is not None:
            # The first block that ends after it may begin before it.
            place = min(place, bisect_right(blocks, until, key=lambda block: block[-1][0]) + 1)
        while place > 0:
            place -= 1
            for moment, _, row in reversed(blocks[place]):
                if until is None or moment <= until:
                    yield moment, row

    def _find_block(self, entry: _Entry) -> int:
        """Return the first block that ends at this entry or after it."""
        return bisect_left(self._blocks, entry, key=lambda block: block[-1])
