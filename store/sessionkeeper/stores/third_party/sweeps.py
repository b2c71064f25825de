"""The newer operations on many sessions, made from ten methods: each lists all sessions.

A session that is due is read again just before it is ended or deleted, so that a change by another
process can be missed only during one round trip, not during a whole sweep.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from math import inf
from operator import itemgetter
from typing import TypeVar

from ...interface.session_store import SessionStore
from ...operations.newest_first import Place
from ...operations.sweep_rules import LOOKS
from ...values.clock import micros, moment_micros
from ...values.errors import RevisionConflict, SessionNotFound
from ...values.events import SessionEventKind
from ...values.ids import encoded_id
from ...values.query import SessionPage, SessionQuery
from ...values.session import Session
from ...values.states import SessionState
from ...values.statistics import TableStatistics
from .bookkeeping import Bookkeeping
from .session_index import SessionEntry
from .tracking_store import TrackingStore

__all__ = ["count_all", "expire", "find", "find_by_activity", "purge"]

T = TypeVar("T")

logger = logging.getLogger("sessionkeeper")


async def find(
    store: SessionStore,
    known: Callable[[str], SessionEntry],
    query: SessionQuery,
    after: int,
    limit: int,
) -> SessionPage:
    """Return the first sessions after that place which match, at most `limit`."""
    # The inner store should list in order of creation; the places hold even if it does not.
    sessions = sorted(await store.list_sessions(), key=lambda session: known(session.id).place)
    start = bisect_right(sessions, after, key=lambda session: known(session.id).place)
    found: list[Session] = []
    last = after
    for looks, session in enumerate(sessions[start : start + LOOKS + limit + 1]):
        if len(found) == limit or looks == LOOKS + limit:
            return SessionPage(tuple(found), str(last))
        last = known(session.id).place
        if query.matches(session):
            found.append(session)
    return SessionPage(tuple(found), None)


async def find_by_activity(
    store: SessionStore,
    known: Callable[[str], SessionEntry],
    query: SessionQuery,
    after: Place | None,
    limit: int,
) -> SessionPage:
    """Return the first matching sessions after that place, at most `limit`, newest first."""

    def place(session: Session) -> Place:
        entry = known(session.id)
        return int(micros(entry.steady_active_at)), entry.place

    sessions = await store.list_sessions()
    rest = [(place(each), each) for each in sessions if after is None or place(each) < after]
    rest.sort(key=itemgetter(0), reverse=True)
    found: list[Session] = []
    for looks, (_, session) in enumerate(rest):
        if len(found) == limit or looks == LOOKS + limit:
            moment, number = rest[looks - 1][0]
            return SessionPage(tuple(found), f"{moment}:{number}")
        if query.matches(session):
            found.append(session)
    return SessionPage(tuple(found), None)


async def expire(
    store: TrackingStore,
    bookkeeping: Bookkeeping,
    idle: float | None,
    age: float | None,
    limit: int,
) -> list[Session]:
    """End the live sessions that are idle for `idle` or old for `age` seconds, at most `limit`.

    And those whose `expires_at` has passed.
    """
    now, index = micros(bookkeeping.clock.steady()), bookkeeping.index
    wall = micros(bookkeeping.clock.wall())
    max_idle, max_age = inf if idle is None else micros(idle), inf if age is None else micros(age)

    def is_idle(known: SessionEntry) -> bool:
        return idle is not None and now - micros(known.steady_active_at) >= max_idle

    def is_old(known: SessionEntry) -> bool:
        return age is not None and now - micros(known.steady_created_at) >= max_age

    def is_due(session: Session) -> bool:
        known = index[session.id]
        if session.state.is_terminal:
            return False
        expires_at = session.expires_at
        has_expired = expires_at is not None and moment_micros(expires_at) <= wall
        return is_idle(known) or is_old(known) or has_expired

    def order(session: Session) -> tuple[int, float, str]:
        known, expires_at = index[session.id], session.expires_at
        if is_idle(known):
            return 0, micros(known.steady_active_at), encoded_id(session.id)
        if is_old(known):
            return 1, micros(known.steady_created_at), encoded_id(session.id)
        expires = inf if expires_at is None else moment_micros(expires_at)
        return 2, expires, encoded_id(session.id)

    async def end(session: Session) -> Session:
        timed_out = session.model_copy(update={"state": SessionState.TIMED_OUT})
        return await store.update_session(timed_out)

    due = sorted(filter(is_due, await store.list_sessions()), key=order)
    return await _each(store, due, is_due, end, limit)


async def purge(
    store: TrackingStore,
    bookkeeping: Bookkeeping,
    ended_before: float,
    ended_for: float,
    limit: int,
) -> int:
    """Delete sessions that ended before that moment and so many seconds ago, at most `limit`."""
    now, index = micros(bookkeeping.clock.steady()), bookkeeping.index

    def is_past(session: Session) -> bool:
        steady_ended_at = index[session.id].steady_ended_at
        if steady_ended_at is None:
            return False
        ended = session.ended_at or session.last_activity
        if micros(ended.timestamp()) >= micros(ended_before):
            return False
        return now - micros(steady_ended_at) >= micros(ended_for)

    def order(session: Session) -> tuple[float, str]:
        steady_ended_at = index[session.id].steady_ended_at
        return inf if steady_ended_at is None else micros(steady_ended_at), encoded_id(session.id)

    async def remove(session: Session) -> None:
        await store.remove(session, SessionEventKind.PURGED)

    past = sorted(filter(is_past, await store.list_sessions()), key=order)
    return len(await _each(store, past, is_past, remove, limit))


async def count_all(store: TrackingStore, bookkeeping: Bookkeeping) -> TableStatistics:
    """Count the sessions of a listing; the owner's notes then agree with it."""
    await store.list_sessions()
    return TableStatistics(
        sessions=bookkeeping.counters.by_state(),
        frames=bookkeeping.counters.frames,
        bytes=None,
        counters=bookkeeping.counters.counters(),
    )


async def _each(
    store: TrackingStore,
    sessions: list[Session],
    is_due: Callable[[Session], bool],
    act: Callable[[Session], Awaitable[T]],
    limit: int,
) -> list[T]:
    done: list[T] = []
    for session in sessions:
        if len(done) == limit:
            break
        try:
            again = await store.get_session(session.id)
            if is_due(again):
                done.append(await act(again))
        except (RevisionConflict, SessionNotFound):
            continue  # another process uses it, or was faster
        except Exception as error:
            if not done:
                raise
            # The finished part must be returned; the next sweep meets the error again.
            logger.warning("a sweep ended early with %s", type(error).__name__)
            break
    return done
