"""The limits of a store."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from .json_depth import MAX_DEPTH
from .jsonrpc import MAX_MESSAGE_BYTES
from .value import Value

__all__ = ["LONGEST_TTL", "FramesFull", "SessionsFull", "StoreLimits"]

LONGEST_TTL = 10 * 365.0 * 24 * 3600
"""The longest `ttl` in seconds: ten years."""


class SessionsFull(StrEnum):
    """What happens to a new session when there are `max_sessions`."""

    REJECT = "reject"
    EVICT_ENDED = "evict-ended"
    """Evict the session that ended first; if none has ended, refuse the new one.

    If several ended at the same time, the first by id is evicted.
    """
    EVICT_IDLE = "evict-idle"
    """The same, but if none has ended, evict the session that was idle for longest."""


class FramesFull(StrEnum):
    """What happens to a new frame in a full log."""

    REJECT = "reject"
    DROP_OLDEST = "drop-oldest"
    """Drop the oldest frames of this log until the new one fits, in number and in bytes."""


class StoreLimits(Value):
    """Limits of a store, checked in the same step as the change.

    A change that exceeds one raises `LimitExceeded` with the name of the field, and has no effect,
    unless `sessions_full` or `frames_full` makes room in the same step.
    """

    sessions_full: SessionsFull = SessionsFull.REJECT
    frames_full: FramesFull = FramesFull.REJECT
    """Applies to `max_frames_per_session`, `max_session_bytes` and `max_total_bytes`."""
    max_sessions: int = Field(default=1_000_000, ge=1)
    max_frames_per_session: int = Field(default=1_000_000, ge=1)
    max_frame_bytes: int = Field(default=4 * 1024 * 1024, ge=1, le=MAX_MESSAGE_BYTES)
    """Bytes of one frame."""
    max_session_bytes: int = Field(default=1024**3, ge=1)
    """Bytes of the messages of one session."""
    max_total_bytes: int = Field(default=8 * 1024**3, ge=1)
    """Bytes of the messages of all sessions."""
    max_frames_per_batch: int = Field(default=10_000, ge=1)
    """Frames in one `add_frames`."""
    max_json_depth: int = Field(default=MAX_DEPTH, ge=1, le=MAX_DEPTH)
    """Nesting levels of a message; an odd frame may nest deeper."""
    max_metadata_bytes: int = Field(default=1024 * 1024, ge=2)
    """Bytes of a session's metadata, client and server info together, as JSON.

    All tags of a session have the same limit, counted separately. Content above a limit that was
    lowered may stay if it does not change.
    """
    max_tags: int = Field(default=1_000, ge=1)
    """Tags of one session."""
