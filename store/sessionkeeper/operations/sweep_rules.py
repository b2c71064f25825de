"""The rules of going through many sessions: finding, expiring, purging.

None of them scans: the work is in proportion to what is found, ended or removed, or has a bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import Context
from math import inf

import msgspec

from ..values.clock import micros, moment_micros
from ..values.events import SessionEventKind
from ..values.query import SessionQuery
from ..values.session import Session
from .newest_first import Place
from .session_row import SessionRow, capture_sessions, show_moment
from .session_rules import delete_session, time_out
from .tables import Tables

__all__ = [
    "FoundSessions",
    "expire_sessions",
    "find_by_activity",
    "find_sessions",
    "purge_sessions",
]

LOOKS = 1_000
"""Maximum number of sessions that one page looks at beyond those it returns."""


class FoundSessions(msgspec.Struct, frozen=True, gc=False):
    """A page as its command returns it."""

    sessions: Sequence[Session]
    cursor: str | None


def find_sessions(tables: Tables, query: SessionQuery, after: int, limit: int) -> FoundSessions:
    """Return the first sessions after that number of creation which match, at most `limit`."""
    found: list[SessionRow] = []
    last = after
    matches = _matcher(query)
    for looks, row in enumerate(tables.rows_after(after)):
        if len(found) == limit or looks == LOOKS + limit:
            return FoundSessions(capture_sessions(found), str(last))
        last = row.number
        if matches(row):
            found.append(row)
    return FoundSessions(capture_sessions(found), None)


def find_by_activity(
    tables: Tables, query: SessionQuery, after: Place | None, limit: int
) -> FoundSessions:
    """Return the first matching sessions after that place, at most `limit`, newest first."""
    found: list[SessionRow] = []
    last: SessionRow | None = None
    matches = _matcher(query)
    for looks, row in enumerate(tables.rows_by_activity(after)):
        if len(found) == limit or looks == LOOKS + limit:
            cursor = None if last is None else f"{int(micros(last.steady_active_at))}:{last.number}"
            return FoundSessions(capture_sessions(found), cursor)
        last = row
        if matches(row):
            found.append(row)
    return FoundSessions(capture_sessions(found), None)


def _matcher(query: SessionQuery) -> Callable[[SessionRow], bool]:
    """Return a function that says whether a row matches, without making its snapshot."""

    def matches(row: SessionRow) -> bool:
        return query.matches_fields(row.session) and (
            not has_times
            or query.matches_times(row.shown_created_at(), show_moment(row.last_activity))
        )

    has_times = query.has_times
    return matches


def expire_sessions(
    tables: Tables, idle: float | None, age: float | None, limit: int, context: Context
) -> list[Session]:
    """End the live sessions that are idle for `idle` or old for `age` seconds, at most `limit`.

    And those whose `expires_at` has passed.
    """
    now = micros(tables.clock.steady())
    ended: list[Session] = []

    def end_while(
        first: Callable[[], SessionRow | None], due: Callable[[SessionRow], bool]
    ) -> None:
        while len(ended) < limit and (row := first()) is not None and due(row):
            ended.append(time_out(tables, row, context))

    if idle is not None:
        max_idle = micros(idle)
        end_while(tables.least_active, lambda row: now - micros(row.steady_active_at) >= max_idle)
    if age is not None:
        max_age = micros(age)
        end_while(tables.oldest_live, lambda row: now - micros(row.steady_created_at) >= max_age)
    end_while(tables.first_to_expire, lambda row: _expires(row) <= micros(tables.clock.wall()))
    return ended


def _expires(row: SessionRow) -> float:
    expires_at = row.session.expires_at
    return inf if expires_at is None else moment_micros(expires_at)


def purge_sessions(
    tables: Tables, ended_before: float, ended_for: float, limit: int, context: Context
) -> int:
    """Delete sessions that ended before that moment and so many seconds ago, at most `limit`."""
    now, span = micros(tables.clock.steady()), micros(ended_for)
    for purged in range(limit):
        row = tables.oldest_ended()
        if row is None or row.ended_at is None:
            return purged
        # In microseconds, as it is shown: `ended_before` may be an `ended_at` somebody was given.
        if micros(row.ended_at) >= micros(ended_before) or now - micros(row.steady_ended_at) < span:
            return purged
        delete_session(tables, row, context, SessionEventKind.PURGED)
    return limit
