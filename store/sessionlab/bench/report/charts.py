"""A chart as lines in a box: the data for the template, in pixels and in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = [
    "HEIGHT",
    "WIDTH",
    "Chart",
    "Polyline",
    "Series",
    "Tick",
    "make_chart",
    "nines",
    "over_sizes",
]

WIDTH, HEIGHT = 400, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 10, 34


@dataclass(frozen=True, slots=True)
class Series:
    """The points of one line: x, y, and how far y went down and up."""

    place: int
    """Which of the subjects, for its colour."""
    name: str
    points: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Polyline:
    """A series in pixels."""

    place: int
    name: str
    path: str
    dots: tuple[tuple[float, float, float, float, str], ...]
    """x, y, the ends of its whisker, and its text."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across the box, and what it means."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A whole chart."""

    title: str
    across: str
    label: str
    """The description for readers who do not see the chart."""
    lines: tuple[Polyline, ...]
    columns: tuple[Tick, ...]
    rows: tuple[Tick, ...]
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def make_chart(
    title: str,
    across: str,
    series: Sequence[Series],
    *,
    columns: Sequence[tuple[float, str]],
    place: Callable[[float], float],
    say_x: Callable[[float], str],
    say_y: Callable[[float], str],
    dotted: bool = True,
) -> Chart | None:
    """Lay out lines over an axis that `place` makes even; None when there is nothing to draw.

    The vertical axis is logarithmic: the compared values differ by factors.
    """
    points = [point for each in series for point in each.points]
    heights = [height for point in points for height in point[1:] if height > 0]
    if not heights:
        return None
    xs = [place(point[0]) for point in points] + [place(x) for x, _ in columns]
    minimum, maximum = min(xs), max(xs)
    low = math.floor(math.log10(min(heights)) * 3) / 3
    high = max(math.ceil(math.log10(max(heights)) * 3) / 3, low + 1 / 3)

    def across_at(x: float) -> float:
        share = (place(x) - minimum) / (maximum - minimum) if maximum > minimum else 0.5
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def up_at(y: float) -> float:
        # A logarithmic axis has no 0, which is the throughput of a store without answers.
        share = (math.log10(y) - low) / (high - low) if y > 0 else 0.0
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)

    return Chart(
        title=title,
        across=across,
        label=f"{title}: {', '.join(each.name for each in series if each.points)}",
        lines=tuple(
            Polyline(
                each.place,
                each.name,
                " ".join(f"{across_at(x)},{up_at(y)}" for x, y, _, _ in each.points),
                tuple(
                    (
                        across_at(x),
                        up_at(y),
                        up_at(down),
                        up_at(up),
                        f"{each.name}, {say_x(x)}: {say_y(y)}",
                    )
                    for x, y, down, up in each.points
                    if dotted
                ),
            )
            for each in series
            if each.points
        ),
        columns=tuple(Tick(across_at(x), text) for x, text in columns),
        rows=tuple(Tick(up_at(y), say_y(y)) for y in _rows(low, high)),
    )


def _rows(low: float, high: float) -> list[float]:
    """Round numbers within the box: powers of ten, with 2 and 5 where there are few of them."""
    steps = (1, 2, 5) if high - low < 2 else (1,)
    exponents = range(math.floor(low), math.ceil(high) + 1)
    values = [step * 10.0**exponent for exponent in exponents for step in steps]
    return [each for each in values if low - 1e-9 <= math.log10(each) <= high + 1e-9]


def over_sizes(
    title: str, across: str, series: Sequence[Series], say_y: Callable[[float], str], /
) -> Chart | None:
    """Lay out lines over sizes, which differ by factors too."""
    sizes = [max(1, round(point[0])) for each in series for point in each.points]
    return make_chart(
        title,
        across,
        series,
        columns=_decades(sizes),
        place=lambda x: math.log10(max(x, 0.1)),
        say_x=lambda x: f"{x:,.0f} {across}",
        say_y=say_y,
    )


def _decades(values: Sequence[int], /) -> list[tuple[float, str]]:
    """Return ticks at the powers of ten around some sizes, and at the sizes when they are few."""
    if len(set(values)) <= 4:
        return [(value, _short(value)) for value in sorted(set(values))]
    first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return [(10.0**each, _short(10**each)) for each in range(first, last + 1)]


def nines(percentile: float, /) -> float:
    """Place a percentile so that each nine more is one step further."""
    return -math.log10(max(1 - percentile / 100, 1e-7))


def _short(value: float) -> str:
    if value >= 1_000_000:
        return f"{value / 1e6:.3g} M"
    return f"{value / 1e3:.3g} k" if value >= 1_000 else f"{value:.3g}"
