"""A history of thousands of calls as compact data, which a script draws on a canvas.

Texts are kept once each and cut until the data is small enough to be part of a page.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ...pages.formatting import make_visible
from ..results import Bar
from .timeline import Spacing, is_open, lay_out

__all__ = ["excerpt_around", "canvas_data"]

_LARGEST = 3_000_000
"""Bytes."""
_LIMITS = (400, 120, 40, 12, 4)
_OUTCOMES = {"ok": 0, "failed": 1}


def canvas_data(bars: Sequence[Bar], whole: Sequence[Bar]) -> str:
    """Return JSON for a `script` element: nothing in it can end one."""
    spacing = Spacing(moment=1, point=1, between=0, tail=1, length=lambda _: 3)
    timeline = lay_out(bars, spacing, whole)
    places = [
        (
            placed.row,
            placed.start,
            placed.end,
            -1 if placed.point is None else placed.point,
            placed.order or 0,
            _OUTCOMES.get(placed.bar.outcome, 2),
            int(placed.bar.blocked),
            int(is_open(placed.bar)),
            placed.bar.call,
            placed.bar.returned,
        )
        for placed in timeline.placed
    ]
    layout = {"rows": timeline.rows, "end": timeline.end, "places": places}
    data = b""
    for limit in _LIMITS:
        data = msgspec.json.encode({**layout, **_encode_texts(bars, limit)})
        if len(data) <= _LARGEST:
            break
    return data.decode().replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def excerpt_around(bars: Sequence[Bar], maximum: int) -> Sequence[Bar]:
    """Return at most `maximum` calls around the first that could not be placed, most before it."""
    if len(bars) <= maximum:
        return bars
    by_call = sorted(bars, key=lambda bar: bar.call)
    at = next((n for n, bar in enumerate(by_call) if bar.blocked), 0)
    first = max(0, min(at - maximum * 7 // 10, len(bars) - maximum))
    return by_call[first : first + maximum]


def _encode_texts(bars: Sequence[Bar], limit: int) -> dict[str, object]:
    numbers: dict[str, int] = {}

    def number(text: str) -> int:
        return numbers.setdefault(make_visible(text, limit), len(numbers))

    words = [(number(bar.name), number(bar.argument), number(bar.result)) for bar in bars]
    return {"words": words, "texts": list(numbers)}
