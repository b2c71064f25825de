"""Reads a log in parts, and checks that each part belongs to the same log as the last."""

from __future__ import annotations

from ..interface.atomic_store import AtomicSessionStore
from ..values.message import Frame
from ..values.session import Session

__all__ = ["is_same_life", "next_frames"]


async def next_frames(
    store: AtomicSessionStore, session_id: str, before: Frame | None, after: int, limit: int
) -> list[Frame]:
    """Return the frames after `before`, the frame of number `after`, in the same log.

    Returns nothing if the first of them was trimmed, or if another frame has the number of `before`
    by now: the session was created again, or its store lost the frames that were read. That the
    content of `before` was removed meanwhile makes it no other frame.
    """
    again = 0 if before is None else 1
    frames = await store.read_frames(session_id, after=after - again, limit=limit + again)
    if before is not None and frames and frames[0].seq == after:
        there = frames.pop(0).envelope
        if there not in (before.envelope, before.envelope.as_removed()):
            return []
    return frames[:limit] if frames and frames[0].seq == after + 1 else []


async def is_same_life(store: AtomicSessionStore, session: Session) -> bool:
    """Whether a session that was read before still exists, and is not another one with its id.

    If so, the frames read in between belong to it. Raises `SessionNotFound`.
    """
    now = await store.get_session(session.id)
    # Its store may have lost frames that were read, and kept the session.
    is_same = (now.incarnation, now.created_at) == (session.incarnation, session.created_at)
    return is_same and now.last_seq >= session.last_seq
