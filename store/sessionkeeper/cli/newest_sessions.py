"""Walks the sessions of a store from the newest to the oldest, by creation.

A store lists by creation from the oldest on, or by last activity from the newest on. No session was
active before it was created. So a walk by last activity knows the newest ones after a few pages,
however many sessions there are.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from heapq import heappop, heappush

from ..interface.atomic_store import AtomicSessionStore
from ..values.query import SessionOrder, SessionQuery
from ..values.session import Session

__all__ = ["newest_sessions", "sessions_by_activity"]

_FIRST_PAGE, _PAGE = 50, 1_000
_LAST = 10
"""Sessions that tell how far a walk is. Several, because one that was archived alive has another
last activity than it is listed by."""


async def newest_sessions(
    store: AtomicSessionStore, query: SessionQuery | None = None
) -> AsyncGenerator[Session]:
    """Yield the sessions that match, the newest first, by the time of their creation.

    A session that is created or used meanwhile may be missing. Raises what `find_sessions` raises.
    """
    waiting: list[tuple[float, int, Session]] = []
    walked = 0
    async for sessions, latest in _pages(store, query or SessionQuery()):
        for each in sessions:
            walked += 1  # of equal times, the newest comes first
            heappush(waiting, (-each.created_at.timestamp(), walked, each))
        # What comes later was not active after `latest`, and so not created after it.
        while latest is not None and waiting and waiting[0][2].created_at >= latest:
            yield heappop(waiting)[2]
    while waiting:
        yield heappop(waiting)[2]


async def sessions_by_activity(
    store: AtomicSessionStore, query: SessionQuery
) -> AsyncGenerator[Session]:
    """Yield the sessions that match, the last used one first. Raises as `find_sessions` does."""
    async for sessions, _ in _pages(store, query):
        for each in sessions:
            yield each


async def _pages(
    store: AtomicSessionStore, query: SessionQuery
) -> AsyncGenerator[tuple[list[Session], datetime | None]]:
    """Yield pages, and the last activity of the next ones at most; None if it is not known.

    A walk since a moment ends there, and not with the oldest session.
    """
    since = query.active_from
    asked = query if since is None else SessionQuery()
    cursor: str | None = None
    limit = _FIRST_PAGE
    while True:
        page = await store.find_sessions(
            asked, order=SessionOrder.LAST_ACTIVITY, cursor=cursor, limit=limit
        )
        latest = max((each.last_activity for each in page.sessions[-_LAST:]), default=None)
        yield [each for each in page.sessions if since is None or query.matches(each)], latest
        cursor, limit = page.cursor, _PAGE
        if cursor is None or (since is not None and latest is not None and latest < since):
            return
