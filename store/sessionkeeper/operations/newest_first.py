"""The order of last activity, newest first, from several orders of moments."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import TypeAlias

from .session_row import SessionRow

__all__ = ["Place", "newest_first"]

Place: TypeAlias = tuple[int, int]
"""A last activity in microseconds of the steady clock, and the number of a session's creation."""

_Dated: TypeAlias = tuple[float, SessionRow]
_moment = itemgetter(0)
_number = attrgetter("number")


def newest_first(after: Place | None, *orders: Iterator[_Dated]) -> Iterator[SessionRow]:
    """Merge orders whose moments never increase; return the rows after a place, None for all.

    Rows of one moment come in order of creation, the newest first.
    """
    merged = merge(*orders, key=_moment, reverse=True)
    for moment, dated in groupby(merged, key=_moment):
        rows = [row for _, row in dated]
        if len(rows) > 1:  # sorting takes longer than all the rest of this
            rows.sort(key=_number, reverse=True)
        for row in rows:
            if after is None or (moment, row.number) < after:
                yield row
