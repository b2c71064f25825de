"""The session store as its contract describes it, one operation after the other."""

from __future__ import annotations

from .model import SessionStoreModel

__all__ = ["SessionStoreModel"]
