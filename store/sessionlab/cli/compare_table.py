"""Prints a comparison: the matrix, then the violations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text  # noqa: TID251 - as a type
from sessionkeeper.printing import styled

from ..designs import Cell, CellVerdict, Comparison, Row

__all__ = ["show_comparison"]

_GLYPHS = {
    CellVerdict.HOLDS: ("✓", "green"),
    CellVerdict.BROKEN: ("✗", "bold red"),
    CellVerdict.UNKNOWN: ("?", "yellow"),
    CellVerdict.NOT_OFFERED: ("–", "dim"),
}
_MARKS = {"stress": "*", "killed": ""}
"""A cell that was not explored shows its number of runs after this mark."""
_PIPE_WIDTH = 280
_COLUMN = 15


def show_comparison(comparison: Comparison, unexpected: Sequence[str]) -> None:
    """Print a comparison; a narrow terminal shows the matrix in several tables."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_WIDTH)
    for table in _matrix(comparison, console.width):
        console.print(table)
    for row in comparison.rows:
        for line in _describe_row(row):
            console.print(line, soft_wrap=True)
    histories = sum(cell.histories for row in comparison.rows for cell in row.cells)
    console.print(f"{histories:,} histories in {comparison.seconds:.1f} s")
    if any(cell.how == "stress" for row in comparison.rows for cell in row.cells):
        console.print("* run on real event loops, because it cannot be explored: weaker evidence")
    for sentence in unexpected:
        console.print(styled(f"not as expected: {sentence}", "red"), soft_wrap=True)
    if not unexpected:
        console.print("everything is as expected")


def _matrix(comparison: Comparison, width: int) -> Iterator[Table]:
    names = [name for name, _ in comparison.workloads]
    first = max((len(row.design) for row in comparison.rows), default=0) + 3
    many = max(1, (width - first) // _COLUMN)
    for start in range(0, len(names), many):
        table = Table(box=None, padding=(0, 1))
        table.add_column("design", no_wrap=True, min_width=first - 3)
        for name in names[start : start + many]:
            table.add_column(name, min_width=len(name), overflow="fold")
        for row in comparison.rows:
            cells = (_format_cell(cell) for cell in row.cells[start : start + many])
            table.add_row(styled(row.design), *cells)
        yield table


def _format_cell(cell: Cell) -> Text:
    glyph, style = _GLYPHS[cell.verdict]
    runs = ""
    if cell.how in _MARKS and cell.verdict is not CellVerdict.NOT_OFFERED:
        runs = f"{_MARKS[cell.how]} {cell.histories:,}"
    return styled(f"{glyph} {cell.note or cell.verdict.value}{runs}", style=style)


def _describe_row(row: Row) -> Iterator[Text]:
    """Describe each violation; of a design that is wrong on purpose the one it is known for, and
    the others in a line."""
    broken = [cell for cell in row.cells if cell.picture is not None]
    if row.right is not False:
        for cell in broken:
            yield from _describe_violation(row, cell)
        return
    mistake = row.summary.partition(":")[0].lower()
    broken.sort(key=lambda cell: cell.picture is None or cell.picture.anomaly != mistake)
    for cell in broken[:1]:
        yield from _describe_violation(row, cell, mistake=row.summary)
    others = [f"{each.workload} ({each.picture.anomaly})" for each in broken[1:] if each.picture]
    if others:
        yield styled(f"  also broken: {', '.join(others)}", "dim")


def _describe_violation(row: Row, cell: Cell, *, mistake: str = "") -> Iterator[Text]:
    picture = cell.picture
    if picture is None:
        return
    one, many = ("kill", "kills") if cell.how == "killed" else ("history", "histories")
    after = f"{cell.histories:,} {one if cell.histories == 1 else many}"
    yield Text.assemble(
        styled(f"{row.design}, {cell.workload}: ", "bold"),
        styled(picture.anomaly, "bold red"),
        f" after {after}",
    )
    if mistake:
        yield styled(f"  {mistake}")
    yield styled(f"  {' '.join(picture.why.split())}")
    if picture.token is not None:
        call = f'replay_cell("{row.design}", "{cell.workload}", "{picture.token}")'
        yield styled(f"  sessionlab.designs.{call}", "dim")
