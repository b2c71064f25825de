"""Prints a comparison: a row for each side, with the ratio of ours to it and its spread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sessionkeeper.printing import styled

from ..bench.side_by_side.results import ComparisonResult, LineResult
from ..pages.formatting import format_rate, format_ratio
from .console_output import print_shown

__all__ = ["show_comparison"]


def show_comparison(result: ComparisonResult, written: Sequence[Path] = ()) -> None:
    """Print a result and the files written. Raises `OSError` when the output is closed."""
    print_shown(lambda console: _show(console, result), written)


def _show(console: Console, result: ComparisonResult) -> None:
    if result.lines:
        console.print(_table(result.lines))
    for each in result.absent:
        console.print(styled(f"{each.name}: {each.reason}"), soft_wrap=True)
    ratio = "ratio: ours over theirs, the median of the rounds; 64 callers, messages of 1 KB"
    about = (
        ratio if result.lines else "nothing was measured",
        f"{result.seconds:.0f} s on {result.loop}; {result.machine}; "
        + ", ".join(f"{name} {of}" for name, of in result.versions.items()),
    )
    for text in about:
        console.print(styled(text), soft_wrap=True)


def _table(lines: Sequence[LineResult]) -> Table:
    table = Table(box=None, padding=(0, 1))
    table.add_column("line")
    table.add_column("ours/s", justify="right", no_wrap=True)
    table.add_column("beside")
    table.add_column("theirs/s", justify="right", no_wrap=True)
    table.add_column("ratio", justify="right", no_wrap=True)
    table.add_column("from to", justify="right", no_wrap=True)
    for line in lines:
        for number, side in enumerate(line.theirs):
            first = number == 0
            table.add_row(
                styled(line.title if first else ""),
                format_rate(line.ours.median) if first else "",
                styled(side.name),
                format_rate(side.per_second.median),
                styled(format_ratio(side.ratio.median), style="bold"),
                styled(
                    f"{format_ratio(side.ratio.low)} {format_ratio(side.ratio.high)}", style="dim"
                ),
            )
    return table
