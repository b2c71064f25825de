"""Tables for terminals of any width.

On a narrow terminal the columns of least importance are left out, the others are shortened, and no
row is wrapped. A cell is shortened at its end, ids, times and numbers never.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ..printing import styled
from .screen import Screen, shorten

if TYPE_CHECKING:
    from rich.text import Text  # noqa: TID251 - as a type

__all__ = ["Cell", "Column", "Table"]

Cell: TypeAlias = "str | Text"
"""A text that is no `styled` one is escaped."""

_GAP = "  "
_SAMPLE = 500
"""Rows that decide on the widths, so that a table of any length needs little memory."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    importance: int
    """1 is the most important one. The column with the highest number is left out first."""
    right: bool = False
    """Whether cells are aligned on the right, as numbers are."""
    least: int | None = None
    """Cells to which it may be shortened; None for never."""
    optional: bool = False
    """Whether it is left out when it has nothing to show."""
    spare: bool = False
    """Whether it is left out before another one is shortened."""
    style: str = ""


class Table:
    """A table on a screen. Rows are printed as they come, but for the first ones.

    Call `end` after the last row.
    """

    def __init__(self, screen: Screen, *columns: Column) -> None:
        self._screen = screen
        self._columns = columns
        self._waiting: list[list[Text]] = []
        self._widths: dict[int, int] = {}
        self._empty: frozenset[int] = frozenset()
        self._printing = False

    def add(self, *cells: Cell) -> None:
        """Add a row: a cell for each column. Raises `OSError`, `ValueError`."""
        if len(cells) != len(self._columns):
            raise ValueError(f"{len(self._columns)} cells are expected, not {len(cells)}")
        row = [styled(each) if isinstance(each, str) else each for each in cells]
        if self._printing and not any(row[each].plain for each in self._empty):
            self._print_row(row)
            return
        self._waiting.append(row)
        if self._printing or len(self._waiting) >= _SAMPLE:
            self._begin()

    def end(self) -> None:
        """Print the rows that wait. A table without rows prints nothing. Raises `OSError`."""
        if self._waiting:
            self._begin()

    @property
    def left_out(self) -> list[str]:
        """The names of the columns for which there was no room."""
        shown = self._widths.keys() | self._empty
        return [each.name for n, each in enumerate(self._columns) if n not in shown]

    def note_left_out(self) -> None:
        """Name the columns for which there was no room. Raises `OSError`."""
        if self._printing and (left_out := self.left_out):
            self._screen.note(f"no room for: {', '.join(left_out)}")

    def _begin(self) -> None:
        natural = [
            max(styled(column.name).cell_len, *(row[n].cell_len for row in self._waiting))
            for n, column in enumerate(self._columns)
        ]
        self._empty = frozenset(
            n
            for n, column in enumerate(self._columns)
            if column.optional and not any(row[n].plain for row in self._waiting)
        )
        self._widths = _fit(self._columns, natural, self._empty, self._screen.width)
        self._print_row([styled(each.name) for each in self._columns], "bold")
        for row in self._waiting:
            self._print_row(row)
        self._waiting.clear()
        self._printing = True

    def _print_row(self, row: Sequence[Text], style: str = "") -> None:
        line = styled("")
        last = max(self._widths)
        for number, width in self._widths.items():
            column = self._columns[number]
            cell = row[number]
            if self._screen.width is not None and column.least is not None:
                cell = shorten(cell, width)
            padding = " " * (width - cell.cell_len)
            start = len(line)
            if column.right:
                line.append(padding)
            line.append_text(cell)
            line.stylize_before(style or column.style, start)
            if number != last:
                line.append(padding + _GAP if not column.right else _GAP)
        self._screen.print(line)


def _fit(
    columns: Sequence[Column], natural: Sequence[int], empty: frozenset[int], room: int | None
) -> dict[int, int]:
    """Return the width of each column that is shown, in their order."""
    shown = [number for number in range(len(columns)) if number not in empty]
    if room is None:
        return {number: natural[number] for number in shown}

    def least(number: int) -> int:
        minimum = columns[number].least
        return natural[number] if minimum is None else min(minimum, natural[number])

    def unimportance(number: int) -> tuple[int, int]:
        return columns[number].importance, number

    while len(shown) > 1:
        spare = [number for number in shown if columns[number].spare]
        if _total([least(each) for each in shown]) > room:
            shown.remove(max(shown, key=unimportance))
        elif spare and _total([natural[each] for each in shown]) > room:
            shown.remove(max(spare, key=unimportance))
        else:
            break
    widths = {number: min(natural[number], max(room, least(number))) for number in shown}
    while (excess := _total(list(widths.values())) - room) > 0:
        shrinkable = [number for number in shown if widths[number] > least(number)]
        if not shrinkable:
            break  # one column that may not be shortened
        widest = sorted((widths[number] for number in shrinkable), reverse=True)
        number = max(shrinkable, key=widths.__getitem__)
        step = widest[0] - widest[1] if len(widest) > 1 else excess
        widths[number] -= min(max(step, 1), excess, widths[number] - least(number))
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)
