"""How much a store takes before it refuses."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from .json_depth import MAX_DEPTH
from .jsonrpc import MAX_MESSAGE_BYTES
from .value import Value

__all__ = ["LONGEST_TTL", "FramesFull", "SessionsFull", "StoreLimits"]

LONGEST_TTL = 10 * 365.0 * 24 * 3600
"""Seconds a server may be told to keep what nobody writes to: ten years."""


class SessionsFull(StrEnum):
    """What a new session meets when `max_sessions` are there."""

    REJECT = "reject"
    EVICT_ENDED = "evict-ended"
    """The session that ended first makes room; when none has ended, the new one is refused.

    Of several with one moment, the first by id; so below.
    """
    EVICT_IDLE = "evict-idle"
    """So too, but when none has ended, the one without activity for longest makes room."""


class FramesFull(StrEnum):
    """What a new frame meets in a full log."""

    REJECT = "reject"
    DROP_OLDEST = "drop-oldest"
    """The oldest frames of its own log make room, in number and in bytes."""


class StoreLimits(Value):
    """Limits of a store, checked where the state lives, in the same step as the change.

    Passing one raises `LimitExceeded`, which names the field below, and changes nothing; unless
    `sessions_full` or `frames_full` says what makes room, in the same step.
    """

    sessions_full: SessionsFull = SessionsFull.REJECT
    frames_full: FramesFull = FramesFull.REJECT
    """For `max_frames_per_session`, `max_session_bytes` and `max_total_bytes`."""
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
    """Levels a message may nest; what is odd may nest as it likes."""
    max_metadata_bytes: int = Field(default=1024 * 1024, ge=2)
    """Bytes of a session's metadata, client and server info together, as JSON.

    Also of all its tags, which are counted for themselves. What is above a limit that was lowered
    may stay if it does not change.
    """
    max_tags: int = Field(default=1_000, ge=1)
    """Tags of one session."""
