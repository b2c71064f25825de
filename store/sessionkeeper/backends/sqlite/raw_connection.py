"""Connections to a file, paths as SQLite needs them, and syncs.

Only SQLite opens an existing file, never this package: closing a second descriptor would drop the
locks of all other connections in this process (sqlite.org, "How To Corrupt", 2.2).
"""

from __future__ import annotations

import os
import sqlite3
from urllib.parse import quote

__all__ = ["BUSY_SLICE", "connect", "pragma", "resolved", "sync"]

BUSY_SLICE = 0.05
"""Seconds SQLite waits for a lock at a time; the store can give up in between."""


def resolved(path: str | os.PathLike[str], /) -> str:
    """Return the absolute path, so that SQLite gives no other meaning to a part of it.

    Raises `TypeError`, `ValueError`.
    """
    text = os.fspath(path)
    if not isinstance(text, str):
        raise TypeError("a path is a str or a path of str")
    if not text or "\0" in text:
        raise ValueError("a path has at least one character, and no NUL")
    return os.path.realpath(text)


def connect(
    path: str, mode: str = "rw", *, timeout: float = BUSY_SLICE, shared: bool = False
) -> sqlite3.Connection:
    """Connect to an existing file; a `shared` connection for any thread. Raises `sqlite3.Error`."""
    # Every character of the path that has a meaning in a URI is quoted.
    uri = "file:///" + quote(os.fsencode(path.lstrip("/"))) + f"?mode={mode}"
    connection = sqlite3.connect(
        uri,
        uri=True,
        isolation_level=None,
        timeout=timeout,
        cached_statements=256,
        check_same_thread=not shared,
    )
    # On every connection: SQLite's own checkpoints run in a commit, while others may commit.
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def sync(path: str) -> None:
    """Sync a file that no process has open, or a folder. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """Read a number of SQLite. Raises `sqlite3.Error`."""
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
