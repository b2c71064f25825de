"""The kinds of frames, and the largest frame there can be.

This imports nothing, so that a recorder can start its server at once.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["MAX_MESSAGE_BYTES", "MessageKind"]

MAX_MESSAGE_BYTES = 256 * 1024 * 1024
"""The maximum size of a frame, independent of a store's limits.

Half of the default maximum of a value in Redis (`proto-max-bulk-len`), a quarter of that in SQLite
(`SQLITE_MAX_LENGTH`).
"""


class MessageKind(StrEnum):
    """The kind of a frame: one of the four JSON-RPC messages, a batch, or something else."""

    REQUEST = "request"
    NOTIFICATION = "notification"
    RESULT = "result"
    ERROR = "error"
    BATCH = "batch"
    """Several messages in one JSON array."""
    ODD = "odd"
    """No JSON-RPC message; `MessageEnvelope.oddity` says why."""
    GAP = "gap"
    """A description of lines that the recorder did not keep."""
    OPAQUE = "opaque"
    """Bytes of another media type than JSON-RPC's, which are kept and never parsed."""
    REMOVED = "removed"
    """A frame whose content was removed; its number stays."""
