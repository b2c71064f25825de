"""Connections to a file as SQLite makes them, and what they need of paths and the disk.

SQLite alone opens an existing file, never this package: closing a second descriptor of it would
drop the locks of every other connection in this process (sqlite.org, "How To Corrupt", 2.2).
"""

from __future__ import annotations

import os
import sqlite3
from urllib.parse import quote

__all__ = ["BUSY_SLICE", "connect", "pragma", "resolved", "sync"]

BUSY_SLICE = 0.05
"""Seconds SQLite waits for a lock at a time; between them one can be told to give up."""


def resolved(path: str | os.PathLike[str], /) -> str:
    """The file's own absolute path, so that no spelling of it means anything else to SQLite.

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
    # A URI of ours: every character of the path that means something in one is quoted.
    uri = "file:///" + quote(os.fsencode(path.lstrip("/"))) + f"?mode={mode}"
    connection = sqlite3.connect(
        uri,
        uri=True,
        isolation_level=None,
        timeout=timeout,
        cached_statements=256,
        check_same_thread=not shared,
    )
    # On every connection: SQLite's own come inside a commit, when others commit too.
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def sync(path: str) -> None:
    """Have the disk hold a file nobody has open, or a folder. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """Read a number that SQLite keeps. Raises `sqlite3.Error`."""
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
