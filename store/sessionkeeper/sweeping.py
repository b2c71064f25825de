"""The rules of going through many sessions: finding, expiring, purging, trimming.

None of them scans: the work is in proportion to what is found, ended or removed, or has a bound.
"""

from __future__ import annotations

from collections.abc import Callable

from .query import SessionPage, SessionQuery
from .rows import SessionRow
from .rules import delete_session
from .session import Session
from .states import SessionState
from .tables import Tables

__all__ = ["expire_sessions", "find_sessions", "purge_sessions", "trim_frames"]

LOOKS = 1_000
"""Most sessions one page looks at beyond those it returns."""


def find_sessions(tables: Tables, query: SessionQuery, after: int, limit: int) -> SessionPage:
    """Return the first sessions after that number of creation which match, at most `limit`."""
    found: list[Session] = []
    last = after
    for looks, row in enumerate(tables.rows_after(after)):
        if len(found) == limit or looks == LOOKS + limit:
            return SessionPage(tuple(found), str(last))
        if isinstance(row, int):
            last = row
            continue
        last = row.number
        session = row.snapshot()
        if query.matches(session):
            found.append(session)
    return SessionPage(tuple(found), None)


def expire_sessions(
    tables: Tables, idle: float | None, age: float | None, limit: int
) -> list[Session]:
    """End the live sessions that were idle or are old for so many seconds, at most `limit`."""
    now = tables.clock.steady()
    ended: list[Session] = []

    def end_while(
        first: Callable[[], SessionRow | None], due: Callable[[SessionRow], bool]
    ) -> None:
        while len(ended) < limit and (row := first()) is not None and due(row):
            ended.append(_time_out(tables, row))

    if idle is not None:
        end_while(tables.least_active, lambda row: now - row.active_at >= idle)
    if age is not None:
        end_while(tables.oldest_live, lambda row: now - row.born_at >= age)
    return ended


def purge_sessions(tables: Tables, ended_before: float, limit: int) -> int:
    """Delete sessions that ended before that moment, with their frames, at most `limit`."""
    purged = 0
    while purged < limit:
        row = tables.oldest_ended()
        if row is None or row.ended_at is None or row.ended_at >= ended_before:
            break
        delete_session(tables, row)
        purged += 1
    return purged


def trim_frames(tables: Tables, row: SessionRow, up_to: int) -> int:
    """Remove the frames numbered `up_to` or less; return how many. Their numbers stay used."""
    count = min(max(0, up_to - (row.last_seq - row.frame_count)), row.frame_count)
    if count:
        row.shorten(count, tables.trim(row, count))
    return count


def _time_out(tables: Tables, row: SessionRow) -> Session:
    before = row.session.state
    session = Session.trusted(row.session.__dict__ | {"state": SessionState.TIMED_OUT})
    row.end(session, tables.next_revision(), tables.clock.wall())
    tables.put(row)
    tables.tally(before, SessionState.TIMED_OUT)
    tables.announce(session.id)
    return row.snapshot()
