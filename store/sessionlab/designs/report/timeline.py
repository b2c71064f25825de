"""Puts calls on a line from left to right, and into rows in which they do not overlap.

Only the order of moments counts, so each moment has its own place, as near to the previous one as
the bars and labels between them allow. At equal times calls come first and returns last: closed
intervals that touch are concurrent, and are drawn so.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..results import Bar

__all__ = ["Placed", "Spacing", "Timeline", "is_open", "lay_out"]

_CALL, _POINT, _RETURN = 0, 1, 2
_Moment: TypeAlias = "tuple[float, int, int]"


@dataclass(frozen=True, slots=True)
class Spacing:
    """The minimum distances, in the unit of the picture."""

    moment: float
    """From one moment to the next."""
    point: float
    """From one point of effect to the next."""
    between: float
    """From the end of a bar to the next one in its row."""
    tail: float
    """The length of an open bar after its last known moment."""
    length: Callable[[Bar], float]
    """The minimum length of a bar, so that its label fits."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A call with its place."""

    index: int
    """Of the bar in its picture."""
    bar: Bar
    row: int
    start: float
    end: float
    returned: float | None
    """The position of the reply, if there was one."""
    point: float | None
    order: int | None
    """Its position in the order of effect, from 1."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """All calls in the order of the picture, and the client that each row belongs to."""

    placed: tuple[Placed, ...]
    rows: tuple[int, ...]
    end: float


def is_open(bar: Bar) -> bool:
    """Return whether a call may still take effect after its last known moment."""
    return bar.returned is None or bar.outcome == "unknown"


def lay_out(bars: Sequence[Bar], spacing: Spacing, whole: Sequence[Bar] | None = None) -> Timeline:
    """Place the calls; rows go by client, and a client whose calls overlap has several.

    If they are a part of a `whole`, they keep their numbers in its order.
    """
    at = _positions(bars, spacing)
    labels = (at[_call(bar)] + spacing.length(bar) for bar in bars if is_open(bar))
    last = max((*at.values(), *labels), default=0.0)
    points = sorted((bar.point, index) for index, bar in enumerate(bars) if bar.point is not None)
    orders = {index: number for number, (_, index) in enumerate(points, 1)}
    if whole is not None and len(whole) > len(bars):
        everywhere = sorted(bar.point for bar in whole if bar.point is not None)
        orders = {index: bisect_left(everywhere, point) + 1 for point, index in points}
    rows, row_of, until = _rows(bars, at, spacing, last + spacing.tail)
    placed = tuple(
        Placed(
            index=index,
            bar=bar,
            row=row_of[index],
            start=at[_call(bar)],
            end=until[index],
            returned=None if bar.returned is None else at[bar.returned, _RETURN, 0],
            point=None if bar.point is None else at[bar.point, _POINT, index],
            order=orders.get(index),
        )
        for index, bar in enumerate(bars)
    )
    return Timeline(placed, rows, last + spacing.tail)


def _call(bar: Bar) -> _Moment:
    return (bar.call, _CALL, 0)


def _positions(bars: Sequence[Bar], spacing: Spacing) -> dict[_Moment, float]:
    moments: dict[_Moment, list[Bar]] = {}
    for index, bar in enumerate(bars):
        moments.setdefault(_call(bar), [])
        if bar.returned is not None:
            moments.setdefault((bar.returned, _RETURN, 0), []).append(bar)
        if bar.point is not None:
            moments.setdefault((bar.point, _POINT, index), [])
    at: dict[_Moment, float] = {}
    now, last_point = -spacing.moment, -spacing.point
    for moment in sorted(moments):
        now += spacing.moment
        if moment[1] == _POINT:
            now = last_point = max(now, last_point + spacing.point)
        for bar in moments[moment]:
            now = max(now, at.get(_call(bar), now) + spacing.length(bar))
        at[moment] = now
    return at


def _rows(
    bars: Sequence[Bar], at: dict[_Moment, float], spacing: Spacing, end: float
) -> tuple[tuple[int, ...], list[int], list[float]]:
    """Return the client of each row, the row of each bar, and where each bar ends.

    The tail of an open call ends at the next call in its row; otherwise each would fill a row.
    """
    by_client: dict[int, list[int]] = {}
    for index in sorted(range(len(bars)), key=lambda index: (bars[index].call, index)):
        by_client.setdefault(bars[index].client, []).append(index)
    rows: list[int] = []
    row_of, until = [0] * len(bars), [end] * len(bars)
    for client in sorted(by_client):
        taken: list[tuple[float, int]] = []
        for index in by_client[client]:
            bar, start = bars[index], at[_call(bars[index])]
            free = next(
                (n for n, (to, _) in enumerate(taken) if to + spacing.between <= start), None
            )
            if free is None:
                free = len(taken)
                taken.append((0.0, index))
            elif is_open(bars[taken[free][1]]):
                until[taken[free][1]] = start - spacing.between
            told = start + spacing.length(bar)
            if bar.returned is not None:
                told = at[bar.returned, _RETURN, 0]
            if is_open(bar):
                effect = start if bar.point is None else at[bar.point, _POINT, index]
                told = max(told, effect + spacing.moment) + spacing.tail
            else:
                until[index] = told
            taken[free] = (told, index)
            row_of[index] = len(rows) + free
        rows += [client] * len(taken)
    return tuple(rows), row_of, until
