"""Checkpoints: copies the write-ahead log into the file, always under the write lock.

Rule: a checkpoint holds the file's write lock from before SQLite reads the log until its end. So no
process commits meanwhile, and checkpoints of stores never overlap: SQLite's WAL-reset bug (see
`sqlite_version`) needs a commit during a checkpoint. SQLite refuses a checkpoint on a connection
with a transaction, so another connection makes it. The last connection that closes makes one, too;
it is then the only user of the file.
"""

from __future__ import annotations

import time
from contextlib import closing

from .raw_connection import BUSY_SLICE, connect

__all__ = ["copy_log"]

_PAUSE = 0.002


def copy_log(path: str, maximum: int) -> int:
    """Copy what can be copied, and return how many pages are left in the log.

    The caller has the write lock, on another connection of this thread, and has written nothing.
    While the log has more than `maximum` pages, this waits up to `BUSY_SLICE` for current readers,
    so that the next writer can restart the log. Raises `sqlite3.Error`.
    """
    deadline = time.monotonic() + BUSY_SLICE
    with closing(connect(path)) as connection:
        for setting in ("fullfsync", "checkpoint_fullfsync"):
            connection.execute(f"PRAGMA {setting} = ON")
        while True:
            # Not `FULL`, `RESTART` or `TRUNCATE`: those take the write lock themselves.
            row: tuple[int, int, int]
            row = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            _, pages, done = row
            if pages <= maximum or time.monotonic() >= deadline:
                return max(0, pages - done)
            if pages == done:
                # New readers read only the file. When the others have ended, the next writer can
                # restart the log.
                time.sleep(max(0.0, min(deadline - time.monotonic(), BUSY_SLICE / 2)))
                return 0
            time.sleep(_PAUSE)
