"""A sequential model of the session store, written from its contract."""

from __future__ import annotations

from .model import SessionStoreModel

__all__ = ["SessionStoreModel"]
