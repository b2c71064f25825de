"""Wakes watchers of this process when another process changed their session."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import ClassVar

from soleowner import Post

from ...interface.wakeups import StoreWakeups
from .store_counters import decode_counters, read_meta

__all__ = ["ChangePoller"]

_MAXIMUM = 1_000
_CHANGED = (
    "SELECT id FROM logs JOIN sessions ON number = session WHERE ended = 0 AND position > :at"
    " UNION ALL"
    " SELECT id FROM logs JOIN sessions ON number = session WHERE ended = 1 AND position > :at"
    " LIMIT :limit"
)


class ChangePoller:
    """Compares the store's counters with those it read last.

    Every frame and every end gives a session a new position, so an index finds what changed. A
    removed session shows only in the number of removed ones. A needless wake-up does no harm: if
    sessions were removed, or too many changed, all watchers are woken.
    """

    PAUSE: ClassVar[float] = 0.02
    """Seconds between two reads of the counters while somebody watches."""

    def __init__(self, connection: sqlite3.Connection, wakeups: StoreWakeups, post: Post) -> None:
        self._execute = connection.execute
        self._wakeups = wakeups
        self._post = post
        self._last_position: int = 0
        self._removed: int = 0

    def poll(self) -> None:
        """Wake watchers of sessions that changed since the last call; outside a transaction."""
        counters = decode_counters(read_meta(self._execute)[1])
        position, removed = self._last_position, self._removed
        if counters.last_position == position and counters.removed == removed:
            return
        # A watcher that registers after this question reads the log after it, too.
        if self._wakeups:
            changed = self._execute(_CHANGED, {"at": position, "limit": _MAXIMUM}).fetchall()
            if counters.removed != removed or len(changed) == _MAXIMUM:
                self._post(self._wakeups.notify_all)
            else:
                self._post(partial(self._notify, [each[0] for each in changed]))
        self._last_position, self._removed = counters.last_position, counters.removed

    def _notify(self, session_ids: list[str]) -> None:
        for session_id in session_ids:
            self._wakeups.notify(session_id)
