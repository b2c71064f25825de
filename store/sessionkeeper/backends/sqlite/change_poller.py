"""What other processes wrote: who watches here is told of it."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import ClassVar

from soleowner import Post

from ...interface.wakeups import Wakeups
from .store_counters import decode_counters, read_meta

__all__ = ["ChangePoller"]

_MAXIMUM = 1_000
_MOVED = (
    "SELECT id FROM logs JOIN sessions ON number = session WHERE over = 0 AND place > ?1"
    " UNION ALL"
    " SELECT id FROM logs JOIN sessions ON number = session WHERE over = 1 AND place > ?1"
    " LIMIT ?2"
)


class ChangePoller:
    """Compares the store's counters with those seen last.

    Every frame and every end gives a session a new place in the orders, so what moved is found by
    an index; a session that is gone shows in the number of those that are. Too many bells do no
    harm, so whatever is doubtful rings them all.
    """

    PAUSE: ClassVar[float] = 0.02
    """Seconds between looks while somebody watches and nothing else happens."""

    def __init__(self, connection: sqlite3.Connection, wakeups: Wakeups, post: Post) -> None:
        self._execute = connection.execute
        self._wakeups = wakeups
        self._post = post
        self._place: int = 0
        self._gone: int = 0

    def look(self) -> None:
        """Ring for what happened since the last look, here or elsewhere; outside a transaction."""
        numbers = decode_counters(read_meta(self._execute)[1])
        place, gone = self._place, self._gone
        if numbers.last_place == place and numbers.gone == gone:
            return
        # Who begins to watch after this question looks at the log after it too.
        if self._wakeups:
            moved = self._execute(_MOVED, (place, _MAXIMUM)).fetchall()
            if numbers.gone != gone or len(moved) == _MAXIMUM:
                self._post(self._wakeups.notify_all)
            else:
                self._post(partial(self._ring, [each[0] for each in moved]))
        self._place, self._gone = numbers.last_place, numbers.gone

    def _ring(self, session_ids: list[str]) -> None:
        for session_id in session_ids:
            self._wakeups.notify(session_id)
