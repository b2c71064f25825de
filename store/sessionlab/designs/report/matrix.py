"""The comparison as a table: a row a design, a cell a guarantee, and links to what broke it."""

from __future__ import annotations

from dataclasses import dataclass

from ...pages.formatting import visible
from ..results import Cell, Comparison, Picture, Row, Verdict

__all__ = ["Column", "Line", "Matrix", "Shown", "matrix_of"]

_SIGNS = {
    Verdict.HOLDS: "✓",
    Verdict.BROKEN: "✕",
    Verdict.UNKNOWN: "?",
    Verdict.NOT_OFFERED: "–",
}
_CLASSES = {
    Verdict.HOLDS: "holds",
    Verdict.BROKEN: "broken",
    Verdict.UNKNOWN: "unknown",
    Verdict.NOT_OFFERED: "none",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A guarantee."""

    name: str
    promise: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A cell as it is shown."""

    workload: str
    kind: str
    sign: str
    word: str
    grounds: str
    target: str | None
    """The id of its picture."""


@dataclass(frozen=True, slots=True)
class Line:
    """A design with its cells in the order of the columns."""

    design: str
    summary: str
    badge: str
    alarm: bool
    cells: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Everything above the pictures, and the pictures with their ids."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    summary: tuple[tuple[str, str], ...]
    """Class and sentence."""
    pictures: tuple[tuple[str, str, str, Picture], ...]
    """Id, design, guarantee, picture."""


def matrix_of(comparison: Comparison) -> Matrix:
    """Arrange a comparison. A guarantee without a cell was not checked, and is shown as unknown."""
    names = [name for name, _ in comparison.workloads]
    # A cell of a guarantee that nobody announced is shown all the same.
    names += sorted({cell.workload for row in comparison.rows for cell in row.cells} - set(names))
    promises = dict(comparison.workloads)
    pictures: list[tuple[str, str, str, Picture]] = []
    lines: list[Line] = []
    for number, row in enumerate(comparison.rows, 1):
        cells = {cell.workload: cell for cell in row.cells}
        shown: list[Shown] = []
        for place, name in enumerate(names, 1):
            cell = cells.get(name)
            target = f"picture-{number}-{place}"
            if cell is not None and cell.picture is not None:
                pictures.append((target, visible(row.design), visible(name), cell.picture))
            shown.append(_shown(name, cell, target))
        badge, alarm = _badge(row)
        lines.append(Line(visible(row.design), visible(row.summary), badge, alarm, tuple(shown)))
    return Matrix(
        columns=tuple(Column(visible(name), visible(promises.get(name, ""))) for name in names),
        lines=tuple(lines),
        summary=_summary(lines),
        pictures=tuple(pictures),
    )


def _shown(workload: str, cell: Cell | None, target: str) -> Shown:
    if cell is None:
        return Shown(visible(workload), "unknown", "?", "unknown", "not checked", None)
    grounds = ""
    if cell.verdict is not Verdict.NOT_OFFERED:
        grounds = f"{cell.histories:,} {visible(cell.how, 40)}"
    return Shown(
        visible(workload),
        _CLASSES[cell.verdict],
        _SIGNS[cell.verdict],
        cell.verdict.value,
        grounds,
        None if cell.picture is None else target,
    )


def _badge(row: Row) -> tuple[str, bool]:
    """Return what the design is meant to be, and whether what was found says otherwise."""
    broken = any(cell.verdict is Verdict.BROKEN for cell in row.cells)
    if row.right is None:
        return "", False
    if row.right:
        return ("meant to be right, and broken", True) if broken else ("meant to be right", False)
    return ("wrong on purpose", False) if broken else ("wrong on purpose, not caught", True)


def _summary(lines: list[Line]) -> tuple[tuple[str, str], ...]:
    kinds = [cell.kind for line in lines for cell in line.cells]
    words = (("holds", "hold"), ("broken", "broken"), ("unknown", "unknown"))
    return tuple((kind, f"{kinds.count(kind):,} {word}") for kind, word in words)
