"""How much a store takes before it refuses."""

from __future__ import annotations

from pydantic import Field

from .jsonrpc import MAX_DEPTH, MAX_MESSAGE_BYTES
from .value import Value

__all__ = ["StoreLimits"]


class StoreLimits(Value):
    """Limits of a store, checked where the state lives, in the same step as the change.

    Passing one raises `LimitExceeded`, which names the field below, and changes nothing.
    """

    max_sessions: int = Field(default=1_000_000, ge=1)
    max_frames_per_session: int = Field(default=1_000_000, ge=1)
    max_frame_bytes: int = Field(default=4 * 1024 * 1024, ge=1, le=MAX_MESSAGE_BYTES)
    """Bytes of one message."""
    max_session_bytes: int = Field(default=1024**3, ge=1)
    """Bytes of the messages of one session."""
    max_total_bytes: int = Field(default=8 * 1024**3, ge=1)
    """Bytes of the messages of all sessions."""
    max_frames_per_batch: int = Field(default=10_000, ge=1)
    """Frames in one `add_frames`."""
    max_json_depth: int = Field(default=MAX_DEPTH, ge=1, le=MAX_DEPTH)
    """Levels a message may nest."""
    max_metadata_bytes: int = Field(default=1024 * 1024, ge=2)
    """Bytes of a session's metadata, client and server info together, as JSON."""
