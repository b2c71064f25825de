"""The sessions of a store as the page lists them: the last used ones first."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from ..recording.analysis import tally
from ..values.errors import SessionNotFound
from ..values.query import SessionOrder, SessionQuery
from .session_row import session_row

if TYPE_CHECKING:
    from ..interface.atomic_store import AtomicSessionStore
    from ..recording.analysis import CallTally
    from ..values.session import Session

__all__ = ["LISTED", "SessionList"]

LISTED = 500
"""Maximum number of sessions in the list of the page; `ls` lists all."""
_COUNTING = 0.05
"""Seconds that counting calls may take for one list."""


class SessionList:
    """The last used sessions, with their numbers of calls as long as they do not change."""

    def __init__(self, store: AtomicSessionStore) -> None:
        self._store = store
        self._tallies: dict[str, tuple[int, CallTally]] = {}
        self._ids: dict[str, str] = {}

    async def sessions(self) -> list[Session]:
        """Return the last used sessions, the newest first."""
        page = await self._store.find_sessions(
            SessionQuery(), order=SessionOrder.LAST_ACTIVITY, limit=LISTED
        )
        found = list(page.sessions)
        while page.cursor is not None and len(found) < LISTED:
            page = await self._store.find_sessions(
                SessionQuery(),
                order=SessionOrder.LAST_ACTIVITY,
                cursor=page.cursor,
                limit=LISTED - len(found),
            )
            found += page.sessions
        return found

    async def rows(self, *, counting: float = _COUNTING) -> list[dict[str, object]]:
        """Return what the page lists; numbers that take longer to count are there next time."""
        found = await self.sessions()
        until = monotonic() + counting
        rows = [
            session_row(each, await self._tally(each, may_count=monotonic() < until))
            for each in found
        ]
        known = {each.incarnation for each in found}
        self._tallies = {key: kept for key, kept in self._tallies.items() if key in known}
        return rows

    async def find(self, key: str) -> Session:
        """Return the session with this incarnation. Raises `SessionNotFound`."""
        if key in self._ids:
            session = await self._store.get_session(self._ids[key])
            if session.incarnation == key:
                return session
        cursor: str | None = None
        while True:
            page = await self._store.find_sessions(
                SessionQuery(), order=SessionOrder.LAST_ACTIVITY, cursor=cursor, limit=1_000
            )
            for each in page.sessions:
                if each.incarnation == key:
                    self._ids[key] = each.id
                    return each
            cursor = page.cursor
            if cursor is None:
                raise SessionNotFound(key)

    async def _tally(self, session: Session, *, may_count: bool) -> CallTally | None:
        kept = self._tallies.get(session.incarnation)
        if kept is not None and (kept[0] == session.last_seq or not may_count):
            return kept[1]
        if not may_count:
            return None
        try:
            counted = await tally(self._store, session)
        except SessionNotFound:  # deleted meanwhile
            return None
        self._tallies[session.incarnation] = (session.last_seq, counted)
        return counted
