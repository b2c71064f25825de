"""Which SQLite is in use, and what is known to be wrong with it.

From 3.7.0 to 3.51.2, but for 3.44.6 and 3.50.7, a checkpoint that runs while another connection
commits to a log that was just brought in can mark frames as brought in that never were: they are
lost (sqlite.org/wal.html#walresetbug). The store's own checkpoints never run while anybody can
commit, see `checkpoints`; those of other programs may.
"""

from __future__ import annotations

import logging
import sqlite3
from threading import Lock

__all__ = ["has_wal_reset_bug", "library_warnings", "warn_once"]

logger = logging.getLogger("sessionkeeper.sqlite")

_FIRST, _MENDED = (3, 7, 0), (3, 51, 3)
_MENDED_BRANCHES = {(3, 44): 6, (3, 50): 7}

_first = Lock()
"""Held for ever by the first who warns."""


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Whether this version of SQLite has the fault above."""
    mended = _MENDED_BRANCHES.get((version[0], version[1]))
    if mended is not None and version[2] >= mended:
        return False
    return _FIRST <= version < _MENDED


def library_warnings() -> tuple[str, ...]:
    """What the SQLite in use may still do to a store, in sentences."""
    if not has_wal_reset_bug(sqlite3.sqlite_version_info):
        return ()
    return (
        f"SQLite {sqlite3.sqlite_version} has the WAL-reset bug (mended in 3.51.3, 3.50.7 and"
        " 3.44.6): this store's own checkpoints cannot meet it, but another program that writes"
        " or checkpoints the same file can damage it",
    )


def warn_once() -> None:
    """Log the warnings, once in a process."""
    if _first.acquire(blocking=False):
        for warning in library_warnings():
            logger.warning("%s", warning)
