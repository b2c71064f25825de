"""A benchmark on the terminal: a table a load, what was stored beside the speed, and growth."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..bench import BenchResult, Curve, Load, Measured, SubjectResult, told_stored
from ..lab.report.texts import micros, rate
from .stores import printable

__all__ = ["show_result"]

_WIDE = 200
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


def show_result(result: BenchResult) -> None:
    """Print it."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    loads: list[Load] = []
    for subject in result.subjects:
        loads += [each.load for each in subject.measured if each.load not in loads]
    for load in loads:
        console.print(_table(result, load))
    for subject in result.subjects:
        if subject.growth is not None:
            for table in _growth(subject):
                console.print(table)
    for line in _notes(result):
        console.print(Text(line), soft_wrap=True)
    processes = f", {result.workers} processes each" if result.workers > 1 else ""
    console.print(
        f"{result.seconds:.0f} s on {result.loop}{processes}; {result.machine}; "
        + ", ".join(f"{name} {of}" for name, of in result.versions.items()),
        soft_wrap=True,
    )


def _table(result: BenchResult, load: Load) -> Table:
    table = Table(title=f"{load.mix}, {load.title}", title_justify="left", box=None, padding=(0, 1))
    table.add_column("store", no_wrap=True)
    for name in _COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("stored")
    for subject in result.subjects:
        for each in subject.measured:
            if each.load == load:
                table.add_row(*_row(subject, each))
    return table


def _row(subject: SubjectResult, each: Measured) -> Iterator[Text]:
    yield Text(printable(subject.name))
    speed = each.per_second
    yield Text(rate(speed.median), style="bold")
    yield Text(f"{rate(speed.low)} {rate(speed.high)}", style="dim")
    latency = each.latency
    if latency is None:
        for _ in range(5):
            yield Text("–")
    else:
        for us in (latency.p50_us, latency.p99_us, latency.p999_us, latency.p9999_us):
            yield Text(micros(us))
        yield Text(micros(latency.max_us))
    yield Text(micros(each.stall_ms * 1_000))
    yield Text(micros(each.gc_longest_ms * 1_000) if each.gc_pauses else "–")
    yield Text("–" if each.mailbox_depth is None else f"{each.mailbox_depth:,}")
    yield Text(f"{each.rss_mb:,.0f} MB")
    words, alarm = told_stored(each.stored)
    yield Text(words, style="bold red" if alarm else "")


def _notes(result: BenchResult) -> Iterator[str]:
    """What a reader must know beside the numbers."""
    for subject in result.subjects:
        name = printable(subject.name)
        if subject.lacks:
            yield f"{name}: {', '.join(map(printable, subject.lacks))}"
        without = dict.fromkeys(work for each in subject.measured for work in each.left_out)
        if without:
            yield f"{name}: does not offer {', '.join(without)}; run without"
        for each in subject.measured:
            at = f"{name}, {each.load.title}"
            if each.errors:
                told = ", ".join(f"{n:,} {printable(kind)}" for kind, n in each.errors.items())
                yield f"{at}: failed: {told}"
            if each.late:
                yield f"{at}: {each.late:,} arrivals were never begun: it cannot keep up"
            if each.ended_early:
                yield f"{at}: rounds ended early, at 512 MB of messages"


def _growth(subject: SubjectResult) -> Iterator[Table]:
    growth = subject.growth
    if growth is None:
        return
    for over in dict.fromkeys(curve.over for curve in growth.curves):
        curves = [curve for curve in growth.curves if curve.over == over]
        sizes = sorted({point.size for curve in curves for point in curve.points})
        table = Table(
            title=f"{printable(subject.name)}: cost over {over}",
            title_justify="left",
            box=None,
            padding=(0, 1),
        )
        table.add_column("work", no_wrap=True)
        for size in sizes:
            table.add_column(f"{size:,}", justify="right", no_wrap=True)
        table.add_column("exponent", justify="right")
        for curve in curves:
            table.add_row(*_curve(curve, sizes))
        yield table
    memory = Table(box=None, padding=(0, 1), show_header=False)
    for what, held in (
        ("a session", growth.session_bytes),
        (f"a frame of {growth.frame_payload} bytes", growth.frame_bytes),
    ):
        told = "too little to tell" if held is None else f"{held:,.0f} B"
        memory.add_row(f"memory of {what}", told)
    memory.add_row("longest gap of the loop", micros(growth.stall_ms * 1_000))
    yield memory


def _curve(curve: Curve, sizes: list[int]) -> Iterator[str]:
    yield curve.what
    costs = {point.size: point.cost.median for point in curve.points}
    for size in sizes:
        yield micros(costs[size]) if size in costs else "–"
    yield "–" if curve.exponent is None else f"{curve.exponent:+.2f}"
