"""Ends the sessions whose recorders are gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from ..interface.atomic_store import AtomicSessionStore
from ..values.errors import InvalidTransition, SessionNotFound
from ..values.lease import without_lease
from ..values.query import SessionQuery
from ..values.session import Session
from ..values.states import SessionState
from .judgement import RecorderState, describe_absence, recorder_state

__all__ = ["end_gone_sessions", "end_if_gone", "find_live_sessions"]

_LIVE = SessionQuery(states=frozenset(each for each in SessionState if not each.is_terminal))
_PAGE = 100


async def find_live_sessions(store: AtomicSessionStore) -> AsyncIterator[list[Session]]:
    """Yield the live sessions of a store, page by page, in order of creation.

    It stops when it has seen as many as there were at its beginning.
    """
    states = (await store.statistics()).sessions
    left = sum(count for state, count in states.items() if not state.is_terminal)
    cursor: str | None = None
    while left > 0:
        page = await store.find_sessions(_LIVE, cursor=cursor, limit=_PAGE)
        left -= len(page.sessions)
        yield list(page.sessions)
        cursor = page.cursor
        if cursor is None:
            return


async def end_if_gone(store: AtomicSessionStore, session: Session) -> bool:
    """End a session as failed if its recorder is gone; return whether this call did.

    The session must still be as it was looked at, in the same step: a heartbeat, a frame or a
    change by anybody leaves it alone. Raises as `modify_session`. Atomic.
    """
    if recorder_state(session) is not RecorderState.GONE:
        return False
    reason = describe_absence(session)
    did = False

    def end(current: Session) -> Session:
        nonlocal did
        did = (current.revision, current.last_seq) == (session.revision, session.last_seq)
        if not did:
            return current
        failed = {"state": SessionState.FAILED, "failure": reason}
        return without_lease(current).model_copy(update=failed)

    try:
        await store.modify_session(session.id, end)
    except (SessionNotFound, InvalidTransition):
        return False  # somebody else was faster
    return did


async def end_gone_sessions(
    store: AtomicSessionStore,
    *,
    on_seen: Callable[[int], None] | None = None,
    pause: float = 0.0,
) -> int:
    """End all sessions whose recorders are gone, and return how many.

    A session without a lease is never touched. Each one is ended in a step of its own; the walk is
    not atomic. `on_seen` is called with the number of live sessions of each page, when it is done;
    `pause` seconds pass then, for a walk beside other work.
    Raises as `statistics`, `find_sessions` and `modify_session`.
    """
    ended = 0
    async for sessions in find_live_sessions(store):
        ended += sum(await asyncio.gather(*(end_if_gone(store, each) for each in sessions)))
        if on_seen is not None:
            on_seen(len(sessions))
        await asyncio.sleep(pause)
    return ended
