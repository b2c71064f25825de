"""Reading a log part by part: whether the next part is of the same log as the last."""

from __future__ import annotations

from ..interface.atomic_store import AtomicSessionStore
from ..values.message import Frame
from ..values.session import Session

__all__ = ["is_same_life", "next_frames"]


async def next_frames(
    store: AtomicSessionStore, session_id: str, before: Frame | None, after: int, limit: int
) -> list[Frame]:
    """Return the frames that follow on `before`, the one of number `after`, in the same log.

    Nothing if the first of them is gone, or if another frame has the number of `before` by now: the
    session was made anew, or its store came back without what was read.
    """
    again = 0 if before is None else 1
    frames = await store.read_frames(session_id, after=after - again, limit=limit + again)
    if frames and frames[0].seq == after and frames.pop(0) != before:
        return []
    return frames[:limit] if frames and frames[0].seq == after + 1 else []


async def is_same_life(store: AtomicSessionStore, session: Session) -> bool:
    """Whether a session that was read before is still there, and not another one of its id.

    What was read in between is its own then. Raises `SessionNotFound`.
    """
    now = await store.get_session(session.id)
    if now.revision == session.revision:
        return True
    # Revisions only grow; a session that was made anew begins with a later time, or a shorter log.
    return now.created_at == session.created_at and now.last_seq >= session.last_seq
