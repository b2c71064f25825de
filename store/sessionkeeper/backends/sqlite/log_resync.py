"""Writes and syncs the log again at opening, before any process appends to it.

Suppose a sync fails and its process is killed. The kernel may still show data that the disk never
got, and treat it as synced (the fsync problem of PostgreSQL in 2018). Another process would find
the commit, append after it, acknowledge that, and lose all of it in a power cut. A second sync has
no effect, because the kernel takes the pages for clean; writing the same bytes again makes them
dirty. A checkpoint is no solution: it would change the file by a log that may be lost.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress

from .errors import primary_code

__all__ = ["resync_wal"]

_PIECE = 1024 * 1024
_PATIENCE = 500  # milliseconds
_SKIPPED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY)


def resync_wal(connection: sqlite3.Connection, path: str) -> None:
    """Write the bytes of the log again, unchanged, and sync them.

    It holds the write lock, so no process appends meanwhile. Raises `sqlite3.Error`, `OSError`.
    """
    log = f"{path}-wal"
    if not _size(log):
        return
    connection.execute(f"PRAGMA busy_timeout = {_PATIENCE}")
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        # Another process that holds the lock this long has already done this step. A process that
        # may not write the file cannot do it, and appends nothing.
        if primary_code(error) not in _SKIPPED:
            raise
        return
    try:
        # Closing this descriptor drops no lock: SQLite locks the file and the log's index, not the
        # log.
        descriptor = os.open(log, os.O_RDWR | os.O_CLOEXEC)
        try:
            _write_again(descriptor)
        finally:
            os.close(descriptor)
    finally:
        connection.execute("ROLLBACK")


def _write_again(descriptor: int) -> None:
    at = 0
    while piece := os.pread(descriptor, _PIECE, at):
        while piece:
            written = os.pwrite(descriptor, piece, at)
            at += written
            piece = piece[written:]
    os.fsync(descriptor)


def _size(path: str) -> int:
    with suppress(FileNotFoundError):
        return os.stat(path).st_size
    return 0
