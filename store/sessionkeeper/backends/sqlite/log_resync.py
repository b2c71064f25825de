"""What the log shows at opening is brought to the disk once more, before anyone builds on it.

A sync fails, and the process is killed. Until the machine is switched off, the kernel may go on
showing what the disk never got, and call it synced (the fsync surprise PostgreSQL met in 2018): a
commit whose caller was told `OutcomeUnknown` is found, others are appended behind it, acknowledged,
and lost with it. To sync again is of no use, for the kernel takes its pages for clean; to write the
same bytes again makes them dirty. A checkpoint would not do: it changes the file by a log that may
not be there when the power goes.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress

from .errors import primary_code

__all__ = ["resync_wal"]

_PIECE = 1024 * 1024
_PATIENCE = 500  # milliseconds
_LEFT_ALONE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY)


def resync_wal(connection: sqlite3.Connection, path: str) -> None:
    """Write the log's bytes again, as they are, and sync them; nothing to do if there are none.

    Nobody can append meanwhile: it holds the write lock. Raises `sqlite3.Error`, `OSError`.
    """
    log = f"{path}-wal"
    if not _size(log):
        return
    connection.execute(f"PRAGMA busy_timeout = {_PATIENCE}")
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        # Who holds the lock for so long was here before, and did this; who may not write the file
        # cannot, and appends nothing.
        if primary_code(error) not in _LEFT_ALONE:
            raise
        return
    try:
        # Opening and closing it drops no lock: SQLite has none on the log, only on the file and on
        # the log's index.
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
