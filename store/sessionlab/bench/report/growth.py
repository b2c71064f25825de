"""Growth as charts and numbers: cost over size, the exponents, memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...pages.formatting import format_micros, make_visible
from ..results import BenchResult
from .charts import Chart, Series, over_sizes

__all__ = ["COLOURS", "Exponents", "list_exponents", "growth_charts", "list_memory"]

COLOURS = 8
"""Of the style sheet; more subjects begin with the first one again."""


@dataclass(frozen=True, slots=True)
class Exponents:
    """Growth in numbers: a row a work, a column a subject."""

    over: str
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def growth_charts(result: BenchResult) -> Iterator[tuple[str, list[Chart]]]:
    """For each kind of size, a chart a work with a line a subject."""
    for over, works in _works_over(result).items():
        charts: list[Chart] = []
        for work in works:
            series = [
                Series(
                    place % COLOURS,
                    make_visible(subject.name, 80),
                    tuple(
                        (each.size, each.cost.median, each.cost.low, each.cost.high)
                        for curve in (subject.growth.curves if subject.growth else ())
                        if (curve.what, curve.over) == (work, over)
                        for each in curve.points
                    ),
                )
                for place, subject in enumerate(result.subjects)
            ]
            chart = over_sizes(work, over, series, format_micros)
            if chart is not None:
                charts.append(chart)
        yield over, charts


def _works_over(result: BenchResult) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for subject in result.subjects:
        for curve in subject.growth.curves if subject.growth else ():
            works = found.setdefault(make_visible(curve.over, 40), [])
            if curve.what not in works:
                works.append(curve.what)
    order = ("sessions", "frames", "callers", "batch")
    return {over: found[over] for over in (*order, *found) if over in found}


def list_exponents(result: BenchResult) -> Iterator[Exponents]:
    """Yield the exponents over each kind of size."""
    for over, works in _works_over(result).items():
        rows: list[tuple[str, tuple[str, ...]]] = []
        for work in works:
            cells: list[str] = []
            for subject in result.subjects:
                curves = subject.growth.curves if subject.growth else ()
                found = [c.exponent for c in curves if (c.what, c.over) == (work, over)]
                exponent = found[0] if found else None
                cells.append("–" if exponent is None else f"{exponent:+.2f}")
            rows.append((make_visible(work, 40), tuple(cells)))
        yield Exponents(over, tuple(rows))


def list_memory(result: BenchResult) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, bytes of a session and of a frame, the longest gap."""
    for subject in result.subjects:
        growth = subject.growth
        if growth is not None:
            held = (growth.session_bytes, growth.frame_bytes)
            gap = format_micros(growth.stall_ms * 1_000) if growth.stall_ms else "–"
            session, frame = ("–" if each is None else f"{each:,.0f} bytes" for each in held)
            yield make_visible(subject.name, 80), session, frame, gap
