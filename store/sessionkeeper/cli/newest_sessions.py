"""Walks the sessions of a store from the newest to the oldest, by creation.

A store lists by creation from the oldest on, or by last activity from the newest on. No session was
active before it was created. So a walk by last activity knows the newest ones after a few pages,
however many sessions there are.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from heapq import heappop, heappush

from ..interface.atomic_store import AtomicSessionStore
from ..values.query import SessionOrder, SessionQuery
from ..values.session import Session

__all__ = ["newest_sessions"]

_FIRST_PAGE, _PAGE, _LAST = 50, 1_000, 10


async def newest_sessions(
    store: AtomicSessionStore, query: SessionQuery | None = None
) -> AsyncGenerator[Session]:
    """Yield the sessions that match, the newest first, by the time of their creation.

    A session that is created or used meanwhile may be missing. Raises what `find_sessions` raises.
    """
    wanted = SessionQuery() if query is None else query
    waiting: list[tuple[float, int, Session]] = []
    cursor: str | None = None
    limit, walked = _FIRST_PAGE, 0
    while True:
        page = await store.find_sessions(
            wanted, order=SessionOrder.LAST_ACTIVITY, cursor=cursor, limit=limit
        )
        for each in page.sessions:
            walked += 1  # of equal times, the newest comes first
            heappush(waiting, (-each.created_at.timestamp(), walked, each))
        cursor, limit = page.cursor, _PAGE
        if cursor is None:
            break
        if page.sessions:
            # What comes later was not active after this, and so not created after this. Several,
            # because a session that was archived alive tells another time than it is listed by.
            latest = max(each.last_activity for each in page.sessions[-_LAST:])
            while waiting and waiting[0][2].created_at >= latest:
                yield heappop(waiting)[2]
    while waiting:
        yield heappop(waiting)[2]
