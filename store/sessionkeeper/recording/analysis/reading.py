"""Reads the calls of a session from a store."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from .call import Call, CallFilter
from .error_calls import ErrorCalls, TooManyFrames
from .pairing import Pairing
from .walking import read_log

if TYPE_CHECKING:
    from ...interface.atomic_store import AtomicSessionStore
    from ...values.session import Session

__all__ = ["calls"]


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
    found = _all_calls(store, session)
    if filter is not None and filter.errors and not filter.unanswered:
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
