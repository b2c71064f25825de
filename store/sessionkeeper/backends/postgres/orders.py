"""The orders of sessions: the first one in each, and all by last activity, newest first.

The index of activity holds tenths of seconds; the sessions of one are sorted when they are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import floor, inf
from typing import TypeAlias

from ...values.clock import micros
from ...values.ids import encoded_id
from .codec import LOG_COLUMNS, SESSION_COLUMNS
from .connection import PostgresConnection, Record

__all__ = ["BY_ACTIVITY", "BY_AGE", "BY_END", "BY_EXPIRY", "FirstSessions", "read_by_activity"]

BY_ACTIVITY = (
    "SELECT steady_active_at, id, number FROM"
    " (SELECT steady_active_at, session FROM logs WHERE NOT ended"
    " ORDER BY active_tenth, steady_active_at LIMIT $1) AS first"
    " JOIN sessions ON number = session ORDER BY steady_active_at"
)
BY_END = (
    "SELECT steady_ended_at, id, number FROM sessions WHERE ended_at IS NOT NULL"
    " ORDER BY steady_ended_at LIMIT $1"
)
BY_AGE = (
    "SELECT steady_created_at, id, number FROM sessions WHERE ended_at IS NULL"
    " ORDER BY number LIMIT $1"
)
BY_EXPIRY = (
    "SELECT expires_at, id, number FROM sessions"
    " WHERE expires_at IS NOT NULL AND ended_at IS NULL ORDER BY expires_at LIMIT $1"
)
_MORE = 16
_MOST = 512
"""Sessions that are read at a time; a sweep that ends many begins with two."""

_PAGE = (
    f"SELECT {SESSION_COLUMNS}, {LOG_COLUMNS} FROM"  # noqa: S608 - our columns
    " (SELECT * FROM logs WHERE ended = $1 AND active_tenth <= $5"
    " AND (steady_active_at, session) < ($2, $3)"
    " ORDER BY active_tenth DESC, steady_active_at DESC, session DESC LIMIT $4) AS logs"
    " JOIN sessions ON number = session ORDER BY steady_active_at DESC, session DESC"
)
_SESSION_COUNT = SESSION_COLUMNS.count(",") + 1
_ROWS_A_QUERY = 128
_GREATEST = 2**63 - 1

Dated: TypeAlias = tuple[float, Record]
"""A last activity in microseconds of the steady clock, and the columns of a session."""


class FirstSessions:
    """The ids of the first sessions in each order, as long as no other one can come before them.

    Those that share a time are sorted by id, as on every backend.
    """

    def __init__(self, connection: PostgresConnection, flush: Callable[[], None]) -> None:
        self._connection = connection
        self._flush = flush
        self.forget()

    def forget(self) -> None:
        """Drop what was read."""
        self._first: dict[str, list[tuple[int, str]]] = {}  # the first one last
        self._limits: dict[str, int] = {}

    def first(self, order: str) -> str | None:
        """Return the id of the first session; None if there is none."""
        found = self._first.get(order) or self._read(order)
        return found[-1][1] if found else None

    def ids(self, order: str) -> list[str]:
        """Return the ids that are known in an order."""
        return [session_id for _, session_id in self._first.get(order, ())]

    def note_activity(self) -> None:
        """Note that a live session was active: it has the last place in one order."""
        self._first.pop(BY_ACTIVITY, None)

    def note_expiry(self) -> None:
        """Note that an `expires_at` of a live session changed."""
        self._first.pop(BY_EXPIRY, None)

    def note_end(self, number: int) -> None:
        """Note that a session ended: it leaves three orders, and has a place in the fourth."""
        self.note_removal(number)
        self._first.pop(BY_END, None)

    def note_removal(self, number: int) -> None:
        """Note that a session left all orders."""
        for found in self._first.values():
            if found and found[-1][0] == number:
                found.pop()
            else:
                found[:] = [each for each in found if each[0] != number]

    def _read(self, order: str) -> list[tuple[int, str]]:
        self._flush()
        limit = self._limits.get(order, 2)
        while True:
            read = self._connection.fetch(order, limit)
            found = [(micros(moment), id_, number) for moment, id_, number in read]
            if len(found) < limit:
                break
            # Others may share the last time, and come before these.
            found = [each for each in found if each[0] != found[-1][0]]
            if found:
                break
            limit *= _MORE
        self._limits[order] = min(limit * _MORE, _MOST)
        found.sort(key=lambda each: (each[0], encoded_id(each[1])), reverse=True)
        self._first[order] = [(number, id_) for _, id_, number in found]
        return self._first[order]


def read_by_activity(
    connection: PostgresConnection, until: float | None, *, ended: bool
) -> Iterator[Dated]:
    """Read sessions that have ended, or not, up to a moment, None for all; newest first."""
    # A little later, as the moments of rows are rounded.
    after = (inf if until is None else (until + 1) / 1e6), _GREATEST
    while True:
        tenth = floor(10 * max(-1e15, min(1e15, after[0])))
        found = connection.fetch(_PAGE, ended, *after, _ROWS_A_QUERY, tenth)
        for columns in found:
            active_at = columns[_SESSION_COUNT + 2]
            moment = micros(active_at)
            if until is None or moment <= until:
                yield moment, columns
        if len(found) < _ROWS_A_QUERY:
            return
        after = found[-1][_SESSION_COUNT + 2], found[-1][0]
