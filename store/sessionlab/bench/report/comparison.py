"""Builds the page of a comparison: a bar for each side of each line, and the ratios."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...pages.formatting import format_rate, format_ratio, make_visible
from ...pages.html_page import render_html, template_text, write_html
from ..side_by_side.results import ComparisonResult, LineResult

__all__ = ["render_comparison", "write_comparison"]

_PACKAGE = "sessionlab.bench.report"


@dataclass(frozen=True, slots=True)
class _Bar:
    """One side of a line."""

    name: str
    share: float
    """Of the fastest side of the line, in hundredths."""
    speed: str
    ratio: str
    spread: str
    ahead: str
    """`ours`, `theirs` or `level`: whose rounds were all faster, or neither's; empty for ours."""


@dataclass(frozen=True, slots=True)
class _Section:
    """A line."""

    title: str
    bars: tuple[_Bar, ...]


def render_comparison(result: ComparisonResult) -> str:
    """Return a comparison as one HTML page."""
    return render_html(
        "comparison.html",
        package=_PACKAGE,
        style=template_text("page.css")
        + template_text("bench.css", _PACKAGE)
        + template_text("comparison.css", _PACKAGE),
        values={
            "title": "Beside what one would use instead",
            "interrupted": result.interrupted,
            "facts": [
                f"{result.seconds:,.0f} s on {make_visible(result.loop)}",
                make_visible(result.machine),
                *(
                    f"{make_visible(name)} {make_visible(of)}"
                    for name, of in result.versions.items()
                ),
            ],
            "sections": [_section(line) for line in result.lines],
            "absent": [
                (make_visible(a.name, 80), make_visible(a.reason, 120)) for a in result.absent
            ],
        },
    )


def write_comparison(result: ComparisonResult, path: Path | str) -> None:
    """Write a comparison as one HTML file. Raises `OSError`."""
    write_html(render_comparison(result), path)


def _section(line: LineResult) -> _Section:
    fastest = max(line.ours.median, *(side.per_second.median for side in line.theirs))
    bars = [
        _Bar(
            name="sessionkeeper",
            share=round(100 * line.ours.median / fastest, 1),
            speed=format_rate(line.ours.median),
            ratio="",
            spread="",
            ahead="",
        )
    ]
    for side in line.theirs:
        low, high = side.ratio.low, side.ratio.high
        bars.append(
            _Bar(
                name=make_visible(side.name, 80),
                share=round(100 * side.per_second.median / fastest, 1),
                speed=format_rate(side.per_second.median),
                ratio=format_ratio(side.ratio.median),
                spread=f"{format_ratio(low)} to {format_ratio(high)}",
                ahead="ours" if low > 1 else "theirs" if high < 1 else "level",
            )
        )
    return _Section(make_visible(line.title), tuple(bars))
