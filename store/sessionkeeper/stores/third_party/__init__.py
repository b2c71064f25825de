"""An owner for any third-party store: its operations run one at a time, by awaiting it."""

from __future__ import annotations

from .store import OwnedSessionStore

__all__ = ["OwnedSessionStore"]
