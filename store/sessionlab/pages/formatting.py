"""Makes texts safe to show: no invisible characters, no change of direction, limited length.

The templates escape HTML; this module does not.
"""

from __future__ import annotations

import unicodedata

from sessionkeeper.printing import printable

__all__ = [
    "clip",
    "pluralize",
    "format_micros",
    "format_rate",
    "format_ratio",
    "make_visible",
    "measure_width",
]

_WIDE = frozenset("WF")


def make_visible(text: str, /, limit: int = 400) -> str:
    """Return a text with control characters, direction marks and lone surrogates written out.

    A text longer than `limit` is cut, with the number of missing characters.
    """
    shown = printable(text[:limit])
    missing = len(text) - limit
    return shown if missing <= 0 else f"{shown}… ({missing:,} more)"


def clip(text: str, columns: int, /) -> str:
    """Cut a visible text to a number of columns; a cut text ends in …."""
    if measure_width(text[: columns + 1]) <= columns and len(text) <= columns:
        return text
    used, kept = 1, ""
    for character in text[:columns]:
        used += measure_width(character)
        if used > columns:
            break
        kept += character
    return f"{kept}…"


def measure_width(text: str, /) -> int:
    """Return the width of a text in columns of a fixed-width font."""
    return sum(2 if unicodedata.east_asian_width(each) in _WIDE else 1 for each in text)


def pluralize(number: int, one: str, many: str | None = None, /) -> str:
    """Return `1 history` or `12,000 histories`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def format_rate(per_second: float, /) -> str:
    """Return operations per second in three digits."""
    if per_second >= 999_500:
        return f"{per_second / 1e6:.3g} M"
    if per_second >= 999.5:
        return f"{_three(per_second / 1e3)} k"
    return _three(per_second)


def format_ratio(ratio: float, /) -> str:
    """Return a ratio with two decimals, or fewer where it is large."""
    return f"{ratio:.2f}" if ratio < 9.995 else f"{ratio:.1f}" if ratio < 99.95 else f"{ratio:,.0f}"


def format_micros(us: float, /) -> str:
    """Return a time in three digits with a suitable unit."""
    if us >= 999_500:
        return f"{_three(us / 1e6)} s"
    if us >= 999.5:
        return f"{_three(us / 1e3)} ms"
    return f"{_three(us)} µs"


def _three(number: float) -> str:
    return f"{number:.0f}" if number >= 99.95 else f"{number:.3g}"
