"""One session of a store as the lines of an export."""

from __future__ import annotations

from collections.abc import Sequence

from ..interface.atomic_store import AtomicSessionStore
from ..interface.long_answers import LINES_A_SLICE, map_in_slices
from ..values.errors import StoreUnavailable, short_id
from ..values.message import Frame
from ..values.session import Session
from .export_format import frame_line, session_line
from .next_frames import is_same_life, next_frames

__all__ = ["export_session"]

_PAGE = 1_000
_TRIES = 16


async def export_session(store: AtomicSessionStore, session_id: str, /) -> list[str]:
    """Return the lines of a session and of its frames up to now.

    They are the log of one session at one moment. A frame that loses its content meanwhile may have
    it. If the session is trimmed, or deleted and created again, meanwhile, it is read again.
    Raises `SessionNotFound`, and `StoreUnavailable` if that happens repeatedly.
    """
    for _ in range(_TRIES):
        session = await store.get_session(session_id)
        lines = await _lines_until(store, session)
        if len(lines) == session.frame_count and await is_same_life(store, session):
            return [session_line(session, len(lines)), *lines]
    raise StoreUnavailable(
        f"session {short_id(session_id)!r} is trimmed or made anew faster than it can be read"
    )


async def _lines_until(store: AtomicSessionStore, session: Session) -> Sequence[str]:
    """Return the lines of the frames; of these only one page is held at a time."""
    lines: list[str] = []
    before: Frame | None = None
    after = session.last_seq - session.frame_count
    while after < session.last_seq:
        limit = min(_PAGE, session.last_seq - after)
        page = await next_frames(store, session.id, before, after, limit)
        if not page:
            return ()  # trimmed meanwhile, or another log by now
        lines += await map_in_slices(frame_line, page, size=LINES_A_SLICE)
        before = page[-1]
        after = before.seq
    return lines
