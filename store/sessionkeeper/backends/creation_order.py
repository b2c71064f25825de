"""Rows in order of creation, which can be walked from any number."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from ..operations.session_row import SessionRow

__all__ = ["CreationOrder"]

_SHELF = 1024


class CreationOrder:
    """Rows by their number of creation, on shelves of 1,024 numbers.

    A number is found on its shelf at once and removed without moving another, so that nothing
    here ever takes time in proportion to all rows; one dict could not be entered in its middle.
    """

    __slots__ = ("_indices", "_last", "_shelves")

    def __init__(self) -> None:
        self._shelves: dict[int, dict[int, SessionRow]] = {}
        # The existing shelves in order: a walk from any number visits no empty shelf.
        self._indices: list[int] = []
        self._last = 0

    def next_number(self) -> int:
        """Return the number of the next row, from 1; no number is used twice."""
        self._last += 1
        return self._last

    def add(self, row: SessionRow) -> None:
        """Add a row at the end."""
        index = row.number // _SHELF
        shelf = self._shelves.get(index)
        if shelf is None:
            shelf = self._shelves[index] = {}
            self._indices.append(index)
        shelf[row.number] = row

    def remove(self, row: SessionRow) -> None:
        """Remove a row."""
        index = row.number // _SHELF
        shelf = self._shelves[index]
        del shelf[row.number]
        if not shelf:
            del self._shelves[index]
            del self._indices[bisect_left(self._indices, index)]

    def all(self) -> Iterator[SessionRow]:
        """All rows in order."""
        for shelf in self._shelves.values():
            yield from shelf.values()

    def after(self, number: int) -> Iterator[SessionRow]:
        """Rows with a greater number, in order; the first one is found without a walk."""
        first = (number + 1) // _SHELF
        for place in range(bisect_left(self._indices, first), len(self._indices)):
            index = self._indices[place]
            shelf = self._shelves[index]
            if index > first:
                yield from shelf.values()
            else:
                yield from (row for each, row in shelf.items() if each > number)
