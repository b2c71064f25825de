"""Bringing the write-ahead log into the file, only ever under the write lock.

Rule: a checkpoint holds the file's write lock from before SQLite looks at the log until it is over.
So nobody commits meanwhile, in any process, and no two checkpoints of stores overlap: SQLite's
WAL-reset bug (see `sqlite_version`) needs a commit during a checkpoint. SQLite refuses a checkpoint
on a connection that has a transaction, so another connection makes it. The last connection that
closes makes one too; it has the whole file for itself then.
"""

from __future__ import annotations

import time
from contextlib import closing

from .raw_connection import BUSY_SLICE, connect

__all__ = ["bring_in"]

_PAUSE = 0.002


def bring_in(path: str, maximum: int) -> int:
    """Bring in what can be, and return how many pages are left in the log.

    The caller has the write lock, on another connection of this thread, and has written nothing.
    While more than `maximum` pages are in the log it waits for the readers of this moment, for
    `BUSY_SLICE` at most, so that the next writer can begin the log anew. Raises `sqlite3.Error`.
    """
    deadline = time.monotonic() + BUSY_SLICE
    with closing(connect(path)) as beside:
        for setting in ("fullfsync", "checkpoint_fullfsync"):
            beside.execute(f"PRAGMA {setting} = ON")
        while True:
            # Not `FULL`, `RESTART` or `TRUNCATE`: those take the write lock themselves.
            row: tuple[int, int, int]
            row = beside.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            _, pages, done = row
            if pages <= maximum or time.monotonic() >= deadline:
                return max(0, pages - done)
            if pages == done:
                # Who begins to read now reads the file alone; the others end, and with them what
                # keeps the next writer from the beginning of the log.
                time.sleep(max(0.0, min(deadline - time.monotonic(), BUSY_SLICE / 2)))
                return 0
            time.sleep(_PAUSE)
