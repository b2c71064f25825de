"""The frames of a log, a slice at a time, and their digest."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC
from hashlib import sha256

from ..interface.atomic_store import AtomicSessionStore
from ..interface.long_answers import FRAMES_A_SLICE, pause
from ..values.message import Frame
from ..values.session import CALLER_FIELDS, Session
from .next_frames import next_frames
from .same_session import TIMES

__all__ = ["Digest", "Missing", "slices"]

_SLICE_BYTES = 1024 * 1024
_FIRST, _LARGEST = 4, 1_000


class Missing(Exception):
    """Frames that existed were removed."""


class Digest:
    """SHA-256 of a session's frames, their numbers, its fields and its times.

    It is the same for every store; it leaves out the revision, which each store sets itself.
    """

    def __init__(self) -> None:
        self._sum = sha256()

    async def add(self, frames: Sequence[Frame]) -> None:
        """Add the next frames, a slice in a turn of the loop."""
        for start in range(0, len(frames), FRAMES_A_SLICE):
            if start:
                await pause()
            self._add(frames[start : start + FRAMES_A_SLICE])

    def _add(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            message = frame.envelope.message
            context = frame.envelope.context.model_dump_json()
            odd = json.dumps([frame.envelope.media_type, frame.envelope.oddity])
            head = f"{frame.seq} {len(message)} {len(context)} {context}{odd}"
            self._sum.update(head.encode())
            self._sum.update(message)

    def so_far(self) -> bytes:
        """Return the digest of the frames alone."""
        return self._sum.digest()

    def of(self, session: Session) -> bytes:
        """Return the digest of these frames and this session."""
        fields = session.model_dump(mode="json", include=set(CALLER_FIELDS))
        fields["tags"] = sorted(session.tags)
        fields["times"] = [
            None if moment is None else moment.astimezone(UTC).isoformat()
            for moment in (getattr(session, name) for name in TIMES)
        ]
        fields["log"] = [session.frame_count, session.last_seq, self._sum.hexdigest()]
        return sha256(json.dumps(fields, sort_keys=True).encode()).digest()


async def slices(
    store: AtomicSessionStore, session_id: str, *, after: int, last: int
) -> AsyncIterator[list[Frame]]:
    """Yield the frames from the one after `after` up to `last`, about a megabyte at a time.

    Raises `Missing` when a frame does not exist, and what the store raises.
    """
    limit = _FIRST
    before: Frame | None = None
    while after < last:
        frames = await next_frames(store, session_id, before, after, min(limit, last - after))
        if not frames:
            raise Missing
        yield frames
        after, before = frames[-1].seq, frames[-1]
        size = max(1, sum(len(frame.envelope.message) for frame in frames))
        limit = max(1, min(_LARGEST, 2 * limit, len(frames) * _SLICE_BYTES // size))
