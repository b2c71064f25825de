"""Reads the calls of a session from a store."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ...interface.atomic_store import AtomicSessionStore
from ...values.session import Session
from .call import Call, CallFilter
from .pairing import Pairing

__all__ = ["calls"]

_PAGE = 1_000
"""Frames."""
_ALL = CallFilter()


async def calls(
    store: AtomicSessionStore, session_id: str, /, *, filter: CallFilter | None = None
) -> AsyncIterator[Call]:
    """Yield the calls of a session: in the order of their answers, then those without one.

    Those without an answer, cancelled ones among them, come in the order of their requests. The log
    is read in pages, so memory is bounded. If more than 65,536 calls have no answer at a time, the
    oldest is yielded at once as `unknown`.

    Not atomic: frames that are appended meanwhile are read, too. Whether a call without an answer
    is `open` depends on what the session was at the beginning.

    Raises `SessionNotFound`, also if the session is deleted meanwhile; `StoreUnavailable`,
    `StoreClosed`.
    """
    session = await store.get_session(session_id)
    wanted = _ALL if filter is None else filter
    async for call in _all_calls(store, session):
        if wanted.accepts(call):
            yield call


async def _all_calls(store: AtomicSessionStore, session: Session) -> AsyncIterator[Call]:
    pairing, after = Pairing(session.id), 0
    while True:
        frames = await store.read_frames(
            session.id, after=after, limit=_PAGE, incarnation=session.incarnation
        )
        for frame in frames:
            for call in pairing.feed(frame):
                if call.is_over:
                    yield call.snapshot(session.id)
        if len(frames) < _PAGE:
            break
        after = frames[-1].seq
    for call in pairing.finish(ended=session.state.is_terminal):
        yield call.snapshot(session.id)
