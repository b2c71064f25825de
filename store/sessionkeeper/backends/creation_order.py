"""Rows in order of creation, which can be walked from any number."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from ..operations.session_row import SessionRow

__all__ = ["CreationOrder"]

_BLOCK = 1024


class CreationOrder:
    """Rows by their number of creation, in blocks of 1,024 numbers.

    A number is found in its block at once and removed without moving another, so that nothing
    here ever takes time in proportion to all rows; one dict could not be entered in its middle.
    """

    __slots__ = ("_blocks", "_indices", "_last")

    def __init__(self) -> None:
        self._blocks: dict[int, dict[int, SessionRow]] = {}
        # The existing blocks in order: a walk from any number visits no empty block.
        self._indices: list[int] = []
        self._last = 0

    def next_number(self) -> int:
        """Return the number of the next row, from 1; no number is used twice."""
        self._last += 1
        return self._last

    def add(self, row: SessionRow) -> None:
        """Add a row at the end."""
        index = row.number // _BLOCK
        block = self._blocks.get(index)
        if block is None:
            block = self._blocks[index] = {}
            self._indices.append(index)
        block[row.number] = row

    def remove(self, row: SessionRow) -> None:
        """Remove a row."""
        index = row.number // _BLOCK
        block = self._blocks[index]
        del block[row.number]
        if not block:
            del self._blocks[index]
            del self._indices[bisect_left(self._indices, index)]

    def all(self) -> Iterator[SessionRow]:
        """All rows in order."""
        for block in self._blocks.values():
            yield from block.values()

    def after(self, number: int) -> Iterator[SessionRow]:
        """Rows with a greater number, in order; the first one is found without a walk."""
        first = (number + 1) // _BLOCK
        for place in range(bisect_left(self._indices, first), len(self._indices)):
            index = self._indices[place]
            block = self._blocks[index]
            if index > first:
                yield from block.values()
            else:
                yield from (row for each, row in block.items() if each > number)
