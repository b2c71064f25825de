"""Prints a benchmark: one table per load with speed and losses, then growth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text  # noqa: TID251 - as a type
from sessionkeeper.printing import printable, styled

from ..bench import BenchResult, Curve, Load, LoadResult, SubjectResult, describe_losses
from ..pages.formatting import format_micros, format_rate, pluralize
from .console_output import print_shown

__all__ = ["show_result"]

_COLUMNS = (
    "ops/s",
    "from to",
    "p50",
    "p99",
    "p99.9",
    "p99.99",
    "max",
    "gap",
    "gc",
    "mailbox",
    "memory",
)
_DROPPED = ("from to", "gc", "p99.99", "mailbox", "max", "memory", "gap", "p99.9")
"""Columns that a narrow terminal does not show, in the order in which they are dropped."""
_LAST_DROPPED, _FOLDED = ("p99", "p50"), 12
"""Dropped last, when the column `stored` is already folded to this width."""

_Row: TypeAlias = tuple[str, dict[str, str], tuple[str, bool]]
"""Name, cells by column, and the text about losses with whether it is an alarm."""


def show_result(result: BenchResult, written: Sequence[Path] = ()) -> None:
    """Print a result and the files written. Raises `OSError` when the output is closed."""
    print_shown(lambda console: _show(console, result), written)


def _show(console: Console, result: BenchResult) -> None:
    loads: list[Load] = []
    for subject in result.subjects:
        loads += [each.load for each in subject.measured if each.load not in loads]
    for load in loads:
        console.print(styled(f"{load.mix}, {load.title}", style="italic"), soft_wrap=True)
        console.print(_table(result, load, console.width))
    for subject in result.subjects:
        if subject.growth is not None:
            for each in _growth(subject):
                console.print(each, soft_wrap=isinstance(each, Text))
    for line in _notes(result):
        console.print(styled(line), soft_wrap=True)
    processes = f", {result.workers} processes per store" if result.workers > 1 else ""
    console.print(
        f"{result.seconds:.0f} s on {result.loop}{processes}; {result.machine}; "
        + ", ".join(f"{name} {of}" for name, of in result.versions.items()),
        soft_wrap=True,
    )


def _table(result: BenchResult, load: Load, width: int) -> Table:
    table = Table(box=None, padding=(0, 1))
    rows = [
        (printable(subject.name), _cells(each), describe_losses(each.stored))
        for subject in result.subjects
        for each in subject.measured
        if each.load == load
    ]
    columns = _fitting(rows, width)
    table.add_column("store", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("stored")
    for name, cells, (words, alarm) in rows:
        shown = [
            styled(
                cells[each], style="bold" if each == "ops/s" else "dim" if each == "from to" else ""
            )
            for each in columns
        ]
        table.add_row(styled(name), *shown, styled(words, style="bold red" if alarm else ""))
    return table


def _fitting(rows: Sequence[_Row], width: int) -> list[str]:
    """Return the columns that fit beside the names and the losses, which are always shown."""
    columns: list[str] = list(_COLUMNS)
    names = max((len(name) for name, _, _ in rows), default=0)
    words = max((len(words) for _, _, (words, _) in rows), default=0)
    for stored, dropped in ((words, _DROPPED), (min(words, _FOLDED), _LAST_DROPPED)):
        for minimum in dropped:
            wide = sum(
                max(len(column), *(len(cells[column]) for _, cells, _ in rows), 0) + 2
                for column in columns
            )
            if names + stored + 4 + wide <= width:
                return columns
            columns.remove(minimum)
    return columns


def _cells(each: LoadResult) -> dict[str, str]:
    speed, latency = each.per_second, each.latency
    times: dict[str, str] = dict.fromkeys(("p50", "p99", "p99.9", "p99.99", "max"), "–")
    if latency is not None:
        times = {
            "p50": format_micros(latency.p50_us),
            "p99": format_micros(latency.p99_us),
            "p99.9": format_micros(latency.p999_us),
            "p99.99": format_micros(latency.p9999_us),
            "max": format_micros(latency.max_us),
        }
    return {
        "ops/s": format_rate(speed.median),
        "from to": f"{format_rate(speed.low)} {format_rate(speed.high)}",
        **times,
        "gap": format_micros(each.stall_ms * 1_000),
        "gc": format_micros(each.gc_longest_ms * 1_000) if each.gc_pauses else "–",
        "mailbox": "–" if each.mailbox_depth is None else f"{each.mailbox_depth:,}",
        "memory": each.memory,
    }


def _notes(result: BenchResult) -> Iterator[str]:
    """Yield what a reader must know beside the numbers."""
    for subject in result.subjects:
        name = printable(subject.name)
        if subject.limitations:
            yield f"{name}: {', '.join(map(printable, subject.limitations))}"
        without = dict.fromkeys(work for each in subject.measured for work in each.left_out)
        if without:
            yield f"{name}: does not offer {', '.join(without)}; measured without them"
        for each in subject.measured:
            at = f"{name}, {each.load.title}"
            if each.load.half and each.latency is not None:
                yield f"{at}: p99 is {each.latency.p99_over_p50:.3g} times p50"
            if each.errors:
                told = ", ".join(f"{n:,} {printable(kind)}" for kind, n in each.errors.items())
                yield f"{at}: failed: {told}"
            if each.late:
                late = pluralize(each.late, "arrival was", "arrivals were")
                yield f"{at}: {late} never started: the store cannot keep up"
            if each.ended_early:
                yield f"{at}: rounds ended early, at 512 MB of messages"


def _growth(subject: SubjectResult) -> Iterator[Table | Text]:
    growth = subject.growth
    if growth is None:
        return
    for over in dict.fromkeys(curve.over for curve in growth.curves):
        curves = [curve for curve in growth.curves if curve.over == over]
        sizes = sorted({point.size for curve in curves for point in curve.points})
        skewed = f", Zipf exponent {growth.skew:g}" if growth.skew else ""
        yield styled(f"{printable(subject.name)}: cost by number of {over}{skewed}", style="italic")
        table = Table(box=None, padding=(0, 1))
        table.add_column("operation", no_wrap=True)
        for size in sizes:
            table.add_column(f"{size:,}", justify="right", no_wrap=True)
        table.add_column("exponent", justify="right")
        for curve in curves:
            table.add_row(*_curve(curve, sizes))
        yield table
    memory = Table(box=None, padding=(0, 1), show_header=False)
    for what, held in (
        ("session", growth.session_bytes),
        (f"frame of {growth.frame_payload} bytes", growth.frame_bytes),
    ):
        told = "too little to measure" if held is None else f"{held:,.0f} B"
        memory.add_row(f"memory per {what}", told)
    gap = format_micros(growth.stall_ms * 1_000) if growth.stall_ms else "–"
    memory.add_row("longest gap of the event loop", gap)
    yield memory


def _curve(curve: Curve, sizes: list[int]) -> Iterator[str]:
    yield curve.what
    costs = {point.size: point.cost.median for point in curve.points}
    for size in sizes:
        yield format_micros(costs[size]) if size in costs else "–"
    yield "–" if curve.exponent is None else f"{curve.exponent:+.2f}"
