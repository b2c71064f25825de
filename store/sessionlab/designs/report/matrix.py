"""The comparison as a table: a row per design, a cell per guarantee, links to counterexamples."""

from __future__ import annotations

from dataclasses import dataclass

from ...pages.formatting import make_visible
from ..results import Cell, CellVerdict, Comparison, Picture, Row

__all__ = ["Column", "DesignRow", "Matrix", "MatrixCell", "make_matrix"]

_SIGNS = {
    CellVerdict.HOLDS: "✓",
    CellVerdict.BROKEN: "✕",
    CellVerdict.UNKNOWN: "?",
    CellVerdict.NOT_OFFERED: "–",
}
_CLASSES = {
    CellVerdict.HOLDS: "holds",
    CellVerdict.BROKEN: "broken",
    CellVerdict.UNKNOWN: "unknown",
    CellVerdict.NOT_OFFERED: "none",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A guarantee."""

    name: str
    promise: str


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """A cell of the table."""

    workload: str
    kind: str
    sign: str
    word: str
    grounds: str
    target: str | None
    """The id of its picture."""


@dataclass(frozen=True, slots=True)
class DesignRow:
    """A design with its cells in the order of the columns."""

    design: str
    summary: str
    badge: str
    alarm: bool
    cells: tuple[MatrixCell, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Everything above the pictures, and the pictures with their ids."""

    columns: tuple[Column, ...]
    rows: tuple[DesignRow, ...]
    summary: tuple[tuple[str, str], ...]
    """Class and sentence."""
    pictures: tuple[tuple[str, str, str, Picture], ...]
    """Id, design, guarantee, picture."""


def make_matrix(comparison: Comparison) -> Matrix:
    """Arrange a comparison. A guarantee without a cell was not checked, and is shown as unknown."""
    names = [name for name, _ in comparison.workloads]
    # A cell of an unknown guarantee is shown too.
    names += sorted({cell.workload for row in comparison.rows for cell in row.cells} - set(names))
    promises = dict(comparison.workloads)
    pictures: list[tuple[str, str, str, Picture]] = []
    rows: list[DesignRow] = []
    for number, row in enumerate(comparison.rows, 1):
        cells = {cell.workload: cell for cell in row.cells}
        shown: list[MatrixCell] = []
        for place, name in enumerate(names, 1):
            cell = cells.get(name)
            target = f"picture-{number}-{place}"
            if cell is not None and cell.picture is not None:
                pictures.append(
                    (target, make_visible(row.design), make_visible(name), cell.picture)
                )
            shown.append(_shown(name, cell, target))
        badge, alarm = _badge(row)
        rows.append(
            DesignRow(
                make_visible(row.design), make_visible(row.summary), badge, alarm, tuple(shown)
            )
        )
    return Matrix(
        columns=tuple(
            Column(make_visible(name), make_visible(promises.get(name, ""))) for name in names
        ),
        rows=tuple(rows),
        summary=_summary(rows),
        pictures=tuple(pictures),
    )


def _shown(workload: str, cell: Cell | None, target: str) -> MatrixCell:
    if cell is None:
        return MatrixCell(make_visible(workload), "unknown", "?", "unknown", "not checked", None)
    grounds = make_visible(cell.note, 80)
    if not grounds and cell.verdict is not CellVerdict.NOT_OFFERED:
        grounds = f"{cell.histories:,} {make_visible(cell.how, 40)}"
    return MatrixCell(
        make_visible(workload),
        _CLASSES[cell.verdict],
        _SIGNS[cell.verdict],
        cell.verdict.value,
        grounds,
        None if cell.picture is None else target,
    )


def _badge(row: Row) -> tuple[str, bool]:
    """Return the expectation of a design, and whether the results contradict it."""
    broken = any(cell.verdict is CellVerdict.BROKEN for cell in row.cells)
    if row.right is None:
        return "", False
    if row.right:
        return ("meant to be right, and broken", True) if broken else ("meant to be right", False)
    return ("wrong on purpose", False) if broken else ("wrong on purpose, not caught", True)


def _summary(rows: list[DesignRow]) -> tuple[tuple[str, str], ...]:
    kinds = [cell.kind for line in rows for cell in line.cells]
    words = (("holds", "hold"), ("broken", "broken"), ("unknown", "unknown"))
    return tuple((kind, f"{kinds.count(kind):,} {word}") for kind, word in words)
