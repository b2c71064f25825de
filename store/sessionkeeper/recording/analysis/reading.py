"""Reads the calls of a session from a store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from typing import TYPE_CHECKING

from .call import Call, CallFilter
from .error_calls import ErrorCalls, TooManyFrames
from .pairing import Pairing
from .walking import read_log

if TYPE_CHECKING:
    from ...interface.atomic_store import AtomicSessionStore
    from ...values.session import Session

__all__ = ["calls", "calls_of_each"]

_TOGETHER, _MOST_TOGETHER = 1_024, 8_192
"""Frames of the sessions that are searched together, at first and at most."""
_LEAST = 256
"""As how many frames a session counts at least, so that few sessions are in memory together."""


async def calls(
    store: AtomicSessionStore, session_id: str, /, *, filter: CallFilter | None = None
) -> AsyncGenerator[Call]:
    """Yield the calls of a session: in the order of their answers, then those without one.

    Those without an answer, cancelled ones among them, come in the order of their requests. The log
    is read in pages, so memory is bounded. If more than 65,536 calls have no answer at a time, the
    oldest is yielded at once as `unknown`. For errors alone (`CallFilter(errors=True)`) the store
    is searched, and only what belongs to them is read.

    Not atomic: frames that are appended meanwhile are read, too. Whether a call without an answer
    is `open` depends on what the session was at the beginning.

    Raises `SessionNotFound`, also if the session is deleted meanwhile; `StoreUnavailable`,
    `StoreClosed`.
    """
    session = await store.get_session(session_id)
    async for call in _calls(store, session, filter):
        yield call


async def calls_of_each(
    store: AtomicSessionStore, sessions: AsyncIterable[Session], filter: CallFilter, /
) -> AsyncGenerator[tuple[Session, AsyncGenerator[Call]]]:
    """Yield each session with its calls, which are read when they are asked for, or before.

    Several short sessions are searched for errors at once, because the store answers questions
    together that are asked together. The calls raise as `calls` does.
    """
    together: list[Session] = []
    frames, room = 0, _TOGETHER
    async for session in sessions:
        is_short = _is_search(filter) and session.frame_count <= room
        if is_short:
            together.append(session)
            frames += max(_LEAST, session.frame_count)
        if frames < room and is_short:
            continue
        async for each in _read_together(store, together, filter):
            yield each
        together, frames, room = [], 0, min(_MOST_TOGETHER, 2 * room)
        if not is_short:
            yield session, _calls(store, session, filter)
    async for each in _read_together(store, together, filter):
        yield each


async def _read_together(
    store: AtomicSessionStore, sessions: Sequence[Session], filter: CallFilter
) -> AsyncGenerator[tuple[Session, AsyncGenerator[Call]]]:
    async def read(session: Session) -> list[Call]:
        return [call async for call in _calls(store, session, filter)]

    found = await asyncio.gather(*map(read, sessions), return_exceptions=True)
    for session, several in zip(sessions, found, strict=True):
        yield session, _read_before(several)


async def _read_before(found: list[Call] | BaseException) -> AsyncGenerator[Call]:
    if isinstance(found, BaseException):
        raise found
    for call in found:
        yield call


def _is_search(filter: CallFilter | None) -> bool:
    return filter is not None and filter.errors and not filter.unanswered


async def _calls(
    store: AtomicSessionStore, session: Session, filter: CallFilter | None
) -> AsyncGenerator[Call]:
    found = _all_calls(store, session)
    if _is_search(filter):
        found = _error_calls(store, session)
    async for call in found:
        if filter is None or filter.accepts(call):
            yield call


async def _error_calls(store: AtomicSessionStore, session: Session) -> AsyncGenerator[Call]:
    errors = ErrorCalls(store, session)
    try:
        async for call in errors.find():
            yield call
        return
    except TooManyFrames:
        pass
    async for call in _all_calls(store, session):
        if call.response_seq is not None and call.response_seq > errors.done:
            yield call


async def _all_calls(store: AtomicSessionStore, session: Session) -> AsyncGenerator[Call]:
    pairing = Pairing(session.id)
    async for frames in read_log(store, session):
        for frame in frames:
            for call in pairing.feed(frame):
                if call.is_over:
                    yield call.snapshot(session.id)
    for call in pairing.finish(ended=session.state.is_terminal):
        yield call.snapshot(session.id)
