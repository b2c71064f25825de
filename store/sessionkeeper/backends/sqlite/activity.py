"""The sessions of a file by their last activity, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from sqlite3 import Connection
from typing import TypeAlias

from ...values.clock import micros
from .codec import LOG_COLUMNS, SESSION_COLUMNS, Columns
from .errors import corruption_error

__all__ = ["ActivityIndex"]

_COLUMNS = f"SELECT {SESSION_COLUMNS}, {LOG_COLUMNS}"
_LIVE = (
    f"{_COLUMNS} FROM logs CROSS JOIN sessions ON number = session"
    " WHERE ended = 0 AND position <= ? ORDER BY position DESC LIMIT ?"
)
_ENDED = (
    f"{_COLUMNS} FROM logs INDEXED BY by_last_activity CROSS JOIN sessions ON number = session"
    " WHERE ended = 1 AND (steady_active_at, session) < (?, ?)"
    " ORDER BY steady_active_at DESC, session DESC LIMIT ?"
)
_LATEST_UP_TO = (
    "SELECT position, steady_active_at FROM logs WHERE ended = 0 AND position <= ?"
    " ORDER BY position DESC LIMIT 1"
)
_NUMBER, _SESSION_COUNT = 0, SESSION_COLUMNS.count(",") + 1
_POSITION, _STEADY_ACTIVE_AT = _SESSION_COUNT + 2, _SESSION_COUNT + 3
_ROWS_A_QUERY = 128
_GREATEST = 2**63 - 1

Dated: TypeAlias = tuple[float, Columns]
"""A last activity in microseconds of the steady clock, and the columns of a session."""


class ActivityIndex:
    """Reads both orders of activity, whose moments never increase.

    Live sessions have a position, which grows with each activity; ended ones have an index of their
    own, which is written only when one ends. Raises `sqlite3.DatabaseError` for a damaged time.
    """

    def __init__(self, connection: Connection) -> None:
        self._execute = connection.execute

    def live(self, until: float | None, last_position: int) -> Iterator[Dated]:
        """Live sessions up to a moment, None for all; O(log activities) for the first."""
        position = last_position if until is None else self._find(until, last_position)
        while True:
            found = self._execute(_LIVE, (position, _ROWS_A_QUERY)).fetchall()
            yield from _dated(found, until)
            if len(found) < _ROWS_A_QUERY:
                return
            position = found[-1][_POSITION] - 1

    def ended(self, until: float | None) -> Iterator[Dated]:
        """Ended sessions up to a moment, None for all; O(log ended) for the first."""
        # A little later, as the moments of rows are rounded.
        after = (inf if until is None else (until + 1) / 1e6), _GREATEST
        while True:
            found = self._execute(_ENDED, (*after, _ROWS_A_QUERY)).fetchall()
            yield from _dated(found, until)
            if len(found) < _ROWS_A_QUERY:
                return
            after = found[-1][_STEADY_ACTIVE_AT], found[-1][_NUMBER]

    def _find(self, until: float, last_position: int) -> int:
        """Return a position before which are all the live sessions up to a moment."""
        low, high = 0, last_position
        while low < high:
            middle = (low + high + 1) // 2
            found = self._execute(_LATEST_UP_TO, (middle,)).fetchone()
            if found is None or _moment(found[1]) <= until:
                low = middle
            else:
                high = found[0] - 1
        return low


def _dated(found: list[Columns], until: float | None) -> Iterator[Dated]:
    for columns in found:
        moment = _moment(columns[_STEADY_ACTIVE_AT])
        if until is None or moment <= until:
            yield moment, columns


def _moment(seconds: float) -> float:
    try:
        return micros(seconds)
    except TypeError:
        raise corruption_error("a session") from None
