"""Builds the page: tables of each load, charts, and growth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...pages.formatting import format_micros, format_rate, make_visible, pluralize
from ...pages.html_page import render_html, template_text, write_html
from ..load import Load
from ..losses import describe_losses
from ..results import BenchResult, LoadResult, SubjectResult
from .charts import HEIGHT, WIDTH, Chart, Series, make_chart, nines, over_sizes
from .growth import COLOURS, growth_charts, list_exponents, list_memory

__all__ = ["render_page", "write_page"]

_PACKAGE = "sessionlab.bench.report"
_PERCENTILES = ((0.0, "0"), (90.0, "90 %"), (99.0, "99 %"), (99.9, "99.9 %"), (99.99, "99.99 %"))


@dataclass(frozen=True, slots=True)
class _Row:
    """A subject under a load."""

    name: str
    place: int
    limitations: str
    speed: str
    spread: str
    share: float
    """Of the fastest, in hundredths."""
    cells: tuple[tuple[str, str], ...]
    """Column and value."""
    stored: str
    alarm: bool
    notes: tuple[str, ...]
    works: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class _Section:
    """A load."""

    title: str
    rows: tuple[_Row, ...]


def render_page(result: BenchResult) -> str:
    """Return a benchmark as one HTML page."""
    loads: list[Load] = []
    for subject in result.subjects:
        loads += [each.load for each in subject.measured if each.load not in loads]
    names = [make_visible(subject.name, 80) for subject in result.subjects]
    return render_html(
        "bench.html",
        package=_PACKAGE,
        style=template_text("page.css") + template_text("bench.css", _PACKAGE),
        values={
            "title": "Growth" if loads == [] else "Stores under load",
            "result": result,
            "facts": [make_visible(each) for each in _facts(result)],
            "names": [(place % COLOURS, name) for place, name in enumerate(names)],
            "sections": [_section(result, load) for load in loads],
            "overviews": [
                chart
                for chart in (*_overviews(result), *(_latencies(result, each) for each in loads))
                if chart is not None
            ],
            "growths": list(growth_charts(result)),
            "exponents": list(list_exponents(result)),
            "memory": list(list_memory(result)),
            "loads": [_about(loads)] if loads else [],
            "wide": WIDTH,
            "high": HEIGHT,
        },
    )


def write_page(result: BenchResult, path: Path | str) -> None:
    """Write a benchmark as one HTML file. Raises `OSError`."""
    write_html(render_page(result), path)


def _facts(result: BenchResult) -> Iterator[str]:
    yield f"{result.seconds:,.0f} s on {result.loop}"
    if result.workers > 1:
        yield f"{result.workers} processes per store"
    yield result.machine
    for name, of in result.versions.items():
        yield f"{name} {of}"


def _about(loads: Sequence[Load]) -> str:
    """Describe loads that differ only in the number of sessions."""
    load = loads[0]
    sizes = sorted(set(load.sizes))
    size = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    many = sorted({each.sessions for each in loads})
    minimum = f"{many[0]:,} to " if len(many) > 1 else ""
    return (
        f"{make_visible(load.mix)}: messages of {size} bytes,"
        f" {minimum}{pluralize(many[-1], 'session')}, Zipf exponent {load.skew:g}"
    )


def _section(result: BenchResult, load: Load) -> _Section:
    found = [
        (place, subject, each)
        for place, subject in enumerate(result.subjects)
        for each in subject.measured
        if each.load == load
    ]
    fastest = max((each.per_second.median for _, _, each in found), default=0.0)
    return _Section(
        title=load.title,
        rows=tuple(_row(place, subject, each, fastest) for place, subject, each in found),
    )


def _latencies(result: BenchResult, load: Load) -> Chart | None:
    series = [
        Series(
            place % COLOURS,
            make_visible(subject.name, 80),
            tuple((x, us, us, us) for x, us in each.latency.curve) if each.latency else (),
        )
        for place, subject in enumerate(result.subjects)
        for each in subject.measured
        if each.load == load
    ]
    return make_chart(
        f"Latency by percentile, {load.title}",
        "percentile",
        series,
        columns=_PERCENTILES,
        place=nines,
        say_x=lambda x: f"{x:g} %",
        say_y=format_micros,
        dotted=False,
    )


def _row(place: int, subject: SubjectResult, each: LoadResult, fastest: float) -> _Row:
    speed, latency = each.per_second, each.latency
    cells: list[tuple[str, str]] = []
    if latency is not None:
        cells = [
            ("p50", format_micros(latency.p50_us)),
            ("p90", format_micros(latency.p90_us)),
            ("p99", format_micros(latency.p99_us)),
            ("p99.9", format_micros(latency.p999_us)),
            ("p99.99", format_micros(latency.p9999_us)),
            ("longest", format_micros(latency.max_us)),
        ]
    else:
        cells = [(name, "–") for name in ("p50", "p90", "p99", "p99.9", "p99.99", "longest")]
    cells += [
        ("loop gap", format_micros(each.stall_ms * 1_000)),
        ("gc pause", format_micros(each.gc_longest_ms * 1_000) if each.gc_pauses else "–"),
        ("mailbox", "–" if each.mailbox_depth is None else f"{each.mailbox_depth:,}"),
        ("memory", each.memory),
    ]
    words, alarm = describe_losses(each.stored)
    return _Row(
        name=make_visible(subject.name, 80),
        place=place % COLOURS,
        limitations=", ".join(make_visible(lack, 120) for lack in subject.limitations),
        speed=format_rate(speed.median),
        spread=f"{format_rate(speed.low)} to {format_rate(speed.high)}",
        share=round(100 * speed.median / fastest, 1) if fastest > 0 else 0.0,
        cells=tuple(cells),
        stored=words,
        alarm=alarm,
        notes=tuple(_notes(each)),
        works=tuple(
            (
                make_visible(work.work, 40),
                f"{work.count:,}",
                format_micros(work.latency.p50_us),
                format_micros(work.latency.p99_us),
                format_micros(work.latency.p999_us),
                format_micros(work.latency.max_us),
            )
            for work in each.works
        ),
    )


def _notes(each: LoadResult) -> Iterator[str]:
    if each.left_out:
        yield f"measured without {', '.join(each.left_out)}, which it does not offer"
    if each.load.half and each.latency is not None:
        yield f"p99 is {each.latency.p99_over_p50:.3g} times p50"
    for kind, count in each.errors.items():
        yield f"{count:,} failed: {make_visible(kind, 80)}"
    if each.late:
        yield f"{pluralize(each.late, 'arrival')} never started: the store cannot keep up"
    if each.ended_early:
        yield "rounds ended early, at 512 MB of messages"


def _alike(each: LoadResult, subject: SubjectResult) -> bool:
    return not each.load.half and each.load.sessions == subject.measured[0].load.sessions


def _overviews(result: BenchResult) -> Iterator[Chart | None]:
    """Throughput over callers, and how late 99 in 100 are over arrivals: with two loads or more."""
    by_callers: list[Series] = []
    by_rate: list[Series] = []
    for place, subject in enumerate(result.subjects):
        # One line is of one number of sessions, and half of the most is another load for each.
        alike = [each for each in subject.measured if _alike(each, subject)]
        closed = [each for each in alike if each.load.rate is None]
        opened = [each for each in alike if each.load.rate is not None]
        name, colour = make_visible(subject.name, 80), place % COLOURS
        speeds = ((each.load.callers, each.per_second) for each in closed)
        by_callers.append(
            Series(colour, name, tuple((n, s.median, s.low, s.high) for n, s in speeds))
        )
        lates = ((each.load.rate or 0.0, each.latency) for each in opened)
        points = ((n, late.p99_us, late.p50_us, late.p999_us) for n, late in lates if late)
        by_rate.append(Series(colour, name, tuple(points)))
    for title, across, series, say in (
        ("Throughput by callers, per second", "callers", by_callers, format_rate),
        (
            "p99 by arrivals per second, with p50 and p99.9",
            "arrivals a second",
            by_rate,
            format_micros,
        ),
    ):
        sizes = [round(point[0]) for each in series for point in each.points]
        if len(set(sizes)) > 1:
            yield over_sizes(title, across, series, say)
