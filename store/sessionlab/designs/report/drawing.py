"""A counterexample as lanes: what the template needs to draw it, in pixels and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...pages.formatting import clip, make_visible, measure_width
from ..results import Bar, Picture
from .timeline import Placed, Spacing, Timeline, is_open, lay_out

__all__ = ["BAR", "Drawing", "Lane", "Shape", "draw", "outcome_sign", "outcome_word"]

BAR, _ROW, _TOP, _BADGE = 42, 64, 34, 18
_COLUMN, _PADDING, _MIN = 7.25, 20, 76
_ROOMY, _WIDE, _NARROW = 12, 60, 36
"""Up to `_ROOMY` calls have labels of `_WIDE` columns; more calls have shorter labels."""
_EDGE = 16

_SIGNS = {"ok": "✓", "failed": "⊘", "unknown": "?"}
_WORDS = {"ok": "ok", "failed": "refused", "unknown": "outcome unknown"}


@dataclass(frozen=True, slots=True)
class Shape:
    """A call: its bar, its badge, and its texts."""

    index: int
    kind: str
    """`ok`, `failed`, `unknown` or `blocked`: a class of the style sheet."""
    x: float
    y: float
    width: float
    open: bool
    returned: float | None
    head: str
    tail: str
    point: float | None
    badge: float
    """The width of the badge."""
    order: int | None
    client: str
    call: str
    result: str
    interval: str
    outcome: str
    effect: str

    @property
    def description(self) -> str:
        """Everything in one line."""
        return f"{self.client}: {self.call} → {self.result}. {self.outcome}. {self.effect}."


@dataclass(frozen=True, slots=True)
class Lane:
    """The rows of one client."""

    label: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """Lanes, bars, and the line through the points in order of effect."""

    width: float
    height: float
    lanes: tuple[Lane, ...]
    shapes: tuple[Shape, ...]
    line: str
    stop: float | None
    """The position at which the order cannot go on."""
    label: str


def draw(picture: Picture, bars: Sequence[Bar]) -> Drawing:
    """Lay out some of the bars of a picture."""
    columns = _WIDE if len(bars) <= _ROOMY else _NARROW
    timeline = lay_out(bars, _spacing(columns), picture.bars)
    shapes = tuple(_shape(placed, columns) for placed in timeline.placed)
    points = sorted((p for p in timeline.placed if p.order is not None), key=lambda p: p.order or 0)
    line = [(p.point + _EDGE, _y(p.row) + BAR) for p in points if p.point is not None]
    ends = any(bar.blocked for bar in bars) and _find_end(bars) == _find_end(picture.bars)
    return Drawing(
        width=round(timeline.end + 2 * _EDGE, 1),
        height=_TOP + len(timeline.rows) * _ROW + 6,
        lanes=_lanes(timeline),
        shapes=shapes,
        line=" ".join(f"{x:.1f},{y:.1f}" for x, y in line),
        stop=round((line[-1][0] + 15) if line else 4, 1) if ends else None,
        label=_label(picture, bars),
    )


def outcome_sign(bar: Bar) -> str:
    """A sign for readers who do not see the colour."""
    return "✕" if bar.blocked else _SIGNS.get(bar.outcome, "?")


def outcome_word(bar: Bar) -> str:
    """The outcome in words."""
    return _WORDS.get(bar.outcome, "outcome unknown")


def _texts(bar: Bar, columns: int) -> tuple[str, str]:
    sign = "" if bar.outcome == "ok" and not bar.blocked else f"{outcome_sign(bar)} "
    call = f"{make_visible(bar.name, 60)}({make_visible(bar.argument, 80)})"
    result = make_visible(bar.result, 80) or outcome_word(bar)
    return clip(f"{sign}{call}", columns), clip(f"→ {result}", columns)


def _spacing(columns: int) -> Spacing:
    def length(bar: Bar) -> float:
        return max(_MIN, max(map(measure_width, _texts(bar, columns))) * _COLUMN + _PADDING)

    return Spacing(moment=16, point=30, between=8, tail=52, length=length)


def _y(row: int) -> float:
    return _TOP + row * _ROW


def _shape(placed: Placed, columns: int) -> Shape:
    bar, order = placed.bar, placed.order
    head, tail = _texts(bar, columns)
    kind = "blocked" if bar.blocked else bar.outcome if bar.outcome in _WORDS else "unknown"
    end = "open" if bar.returned is None else f"{bar.returned}"
    if bar.blocked:
        effect = "cannot be placed"
    elif order is None:
        effect = "not placed"
    else:
        effect = f"takes effect as number {order:,}"
    return Shape(
        index=placed.index,
        kind=kind,
        x=round(placed.start + _EDGE, 1),
        y=_y(placed.row),
        width=round(max(placed.end - placed.start, 6), 1),
        open=is_open(bar),
        returned=None if placed.returned is None else round(placed.returned + _EDGE, 1),
        head=head,
        tail=tail,
        point=None if placed.point is None else round(placed.point + _EDGE, 1),
        badge=max(_BADGE, 7 * len(str(order)) + 9),
        order=order,
        client=f"client {bar.client}",
        call=f"{make_visible(bar.name, 120)}({make_visible(bar.argument)})",
        result=make_visible(bar.result) or "–",
        interval=f"{bar.call} … {end}",
        outcome=outcome_word(bar),
        effect=effect,
    )


def _find_end(bars: Sequence[Bar]) -> float | None:
    return max((bar.point for bar in bars if bar.point is not None), default=None)


def _lanes(timeline: Timeline) -> tuple[Lane, ...]:
    first: dict[int, int] = {}
    count: dict[int, int] = {}
    for row, client in enumerate(timeline.rows):
        first.setdefault(client, row)
        count[client] = count.get(client, 0) + 1
    return tuple(
        Lane(f"client {client}", _y(row) - 8, count[client] * _ROW) for client, row in first.items()
    )


def _label(picture: Picture, bars: Sequence[Bar]) -> str:
    clients = len({bar.client for bar in bars})
    blocked = [bar for bar in bars if bar.blocked]
    stuck = (
        f" Client {blocked[0].client}'s {make_visible(blocked[0].name, 60)} cannot be placed."
        if (blocked)
        else ""
    )
    return f"{make_visible(picture.anomaly, 80)}: {len(bars)} calls of {clients} clients.{stuck}"
