"""Lets a store take frames as large as a command asks for."""

from __future__ import annotations

from ..stores.config import StorageBackend

__all__ = ["take_frames_of"]


def take_frames_of(size: int, backend: StorageBackend) -> StorageBackend:
    """Return the store with a limit that accepts frames of this many bytes."""
    limits = backend.limits
    largest = max(limits.max_frame_bytes, size)
    return backend.model_copy(
        update={"limits": limits.model_copy(update={"max_frame_bytes": largest})}
    )
