"""Pages through the sessions of a store."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import TYPE_CHECKING

from ...values.query import SessionOrder, SessionQuery

if TYPE_CHECKING:
    from ...interface.atomic_store import AtomicSessionStore
    from ...values.session import Session

__all__ = ["every_session"]

_PAGE = 1_000


async def every_session(
    store: AtomicSessionStore,
    sessions: Iterable[Session] | None = None,
    *,
    query: SessionQuery | None = None,
    order: SessionOrder = SessionOrder.CREATED,
) -> AsyncGenerator[Session]:
    """Yield the given sessions; or else all that match the query, in this order."""
    if sessions is not None:
        for session in sessions:
            yield session
        return
    cursor: str | None = None
    while True:
        page = await store.find_sessions(
            query or SessionQuery(), order=order, cursor=cursor, limit=_PAGE
        )
        for session in page.sessions:
            yield session
        cursor = page.cursor
        if cursor is None:
            return
