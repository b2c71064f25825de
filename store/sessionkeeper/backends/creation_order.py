"""Rows in order of creation, with a place to go on from."""

from __future__ import annotations

from collections.abc import Iterator

from ..operations.session_row import SessionRow

__all__ = ["CreationOrder"]

_SHELF = 1024


class CreationOrder:
    """Rows by their number of creation, on shelves of 1,024 numbers.

    A number is found on its shelf at once and removed without moving another, so that nothing
    here ever takes time in proportion to all rows; one dict could not be entered in its middle.
    """

    __slots__ = ("_last", "_shelves")

    def __init__(self) -> None:
        self._shelves: dict[int, dict[int, SessionRow]] = {}
        self._last = 0

    def next_number(self) -> int:
        """Return the number of the next row, from 1; none comes twice."""
        self._last += 1
        return self._last

    def add(self, row: SessionRow) -> None:
        """Add a row at the end."""
        self._shelves.setdefault(row.number // _SHELF, {})[row.number] = row

    def remove(self, row: SessionRow) -> None:
        """Remove a row."""
        shelf = self._shelves[row.number // _SHELF]
        del shelf[row.number]
        if not shelf:
            del self._shelves[row.number // _SHELF]

    def all(self) -> Iterator[SessionRow]:
        """All rows in order."""
        for shelf in self._shelves.values():
            yield from shelf.values()

    def after(self, number: int) -> Iterator[SessionRow | int]:
        """Rows with a greater number, in order; for a shelf that is gone, its last number."""
        first = (number + 1) // _SHELF
        for index in range(first, self._last // _SHELF + 1):
            shelf = self._shelves.get(index)
            if shelf is None:
                yield (index + 1) * _SHELF - 1
            elif index > first:
                yield from shelf.values()
            else:
                yield from (row for each, row in shelf.items() if each > number)
