"""Finds the sessions that `ls` shows, and counts their calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from ..interface.atomic_store import AtomicSessionStore
from ..recording.analysis import CallTally, tally
from ..values.errors import SessionNotFound
from ..values.query import SessionQuery
from ..values.session import Session
from .newest_sessions import newest_sessions, sessions_by_activity
from .session_text import describe_client, describe_server

__all__ = ["Counted", "Wanted", "find_counted_sessions"]

_PAGE = 1_000
_AT_ONCE = 50
"""Sessions whose calls are counted at a time."""

Counted = tuple[Session, CallTally]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sessions are wanted: those that the store finds, and for which the rest holds."""

    query: SessionQuery
    client: str | None = None
    """A part of the client's name or version, in any case."""
    server: str | None = None
    with_errors: bool = False
    """Only those with a call that got an error."""

    @property
    def is_all(self) -> bool:
        """Whether every session is wanted."""
        return self == Wanted(SessionQuery())

    def accepts(self, session: Session) -> bool:
        """Whether a session that the store found is wanted, before its calls are counted."""
        return _contains(describe_client(session), self.client) and _contains(
            describe_server(session), self.server
        )


async def find_counted_sessions(
    store: AtomicSessionStore, wanted: Wanted, *, newest_first: bool, by_activity: bool = False
) -> AsyncGenerator[Counted]:
    """Yield the sessions that are wanted, by creation or by last activity, with their calls.

    By last activity, the newest always come first. Raises as `find_sessions` does.
    """
    if by_activity:
        sessions = sessions_by_activity(store, wanted.query)
    elif newest_first:
        sessions = newest_sessions(store, wanted.query)
    else:
        sessions = _oldest_sessions(store, wanted.query)
    batch: list[Session] = []
    async with aclosing(sessions):
        async for session in sessions:
            if wanted.accepts(session):
                batch.append(session)
            if len(batch) >= _AT_ONCE:
                for each in await _count(store, batch, wanted):
                    yield each
                batch = []
    for each in await _count(store, batch, wanted):
        yield each


async def _oldest_sessions(
    store: AtomicSessionStore, query: SessionQuery
) -> AsyncGenerator[Session]:
    cursor: str | None = None
    while True:
        page = await store.find_sessions(query, cursor=cursor, limit=_PAGE)
        for session in page.sessions:
            yield session
        cursor = page.cursor
        if cursor is None:
            return


async def _count(
    store: AtomicSessionStore, sessions: list[Session], wanted: Wanted
) -> list[Counted]:
    tallies = await asyncio.gather(*(_tally(store, each) for each in sessions))
    return [
        (session, counted)
        for session, counted in zip(sessions, tallies, strict=True)
        if counted is not None and (counted.errors or not wanted.with_errors)
    ]


async def _tally(store: AtomicSessionStore, session: Session) -> CallTally | None:
    try:
        return await tally(store, session)
    except SessionNotFound:  # deleted meanwhile
        return None


def _contains(text: str, part: str | None) -> bool:
    return part is None or part.casefold() in text.casefold()
