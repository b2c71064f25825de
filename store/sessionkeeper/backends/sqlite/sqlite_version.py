"""The version of SQLite in use, and its known faults.

Versions 3.7.0 to 3.51.2, except 3.44.6 and 3.50.7, have a fault: a checkpoint that runs while
another connection commits to a log that was just copied can mark pages as copied that never were,
and they are lost (sqlite.org/wal.html#walresetbug). The store's own checkpoints never run while a
process can commit, see `checkpoints`; those of other programs may.
"""

from __future__ import annotations

import logging
import sqlite3
from threading import Lock

__all__ = ["has_wal_reset_bug", "library_warnings", "warn_once"]

logger = logging.getLogger("sessionkeeper.sqlite")

_FIRST, _FIXED = (3, 7, 0), (3, 51, 3)
_FIXED_BRANCHES = {(3, 44): 6, (3, 50): 7}

_first = Lock()
"""Held forever by the first caller that warns."""


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Whether this version of SQLite has the fault above."""
    fixed = _FIXED_BRANCHES.get((version[0], version[1]))
    if fixed is not None and version[2] >= fixed:
        return False
    return _FIRST <= version < _FIXED


def library_warnings() -> tuple[str, ...]:
    """Return what the SQLite in use can still do to a store, in sentences."""
    if not has_wal_reset_bug(sqlite3.sqlite_version_info):
        return ()
    return (
        f"SQLite {sqlite3.sqlite_version} has the WAL-reset bug (fixed in 3.51.3, 3.50.7 and"
        " 3.44.6): this store's own checkpoints cannot meet it, but another program that writes"
        " or checkpoints the same file can damage it",
    )


def warn_once() -> None:
    """Log the warnings, once in a process."""
    if _first.acquire(blocking=False):
        for warning in library_warnings():
            logger.warning("%s", warning)
