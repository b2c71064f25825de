"""A batch of commands that only read, on a connection that cannot write.

It reads a snapshot from between its begin and its end. The snapshot has every write that any
process acknowledged before, and no write that is not synced, because SQLite shows a commit after
its sync.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any

from soleowner import Command, Post

from ...interface.wakeups import StoreWakeups
from ...values.errors import StoreClosed, StoreUnavailable
from ...values.guarantees import Durability
from .change_poller import ChangePoller
from .connection import SQLiteConnection
from .errors import FAILURES, FilesChanged, judge_error
from .files import StoreFiles
from .opening import open_to_read
from .schema import VERSION
from .tables import SQLiteTables
from .writer import SQLiteWriter

__all__ = ["SQLiteReader"]

_LATER = 1.0


class SQLiteReader(SQLiteConnection):
    """Reads beside a writer, which opened the file before and learns of damage found here.

    It waits only for the lock of a process that recovers the file. It also polls for changes of
    other processes, so that a slow commit does not delay their wake-ups.
    """

    def __init__(
        self,
        tables: SQLiteTables,
        writer: SQLiteWriter,
        path: str,
        files: StoreFiles,
        *,
        durability: Durability,
        patience: float,
        wakeups: StoreWakeups,
    ) -> None:
        super().__init__(tables, path, files, patience=patience)
        self._writer = writer
        self._durability = durability
        self._wakeups = wakeups
        self._poll_at = 0.0
        self._must_reopen = False
        """Whether the connection may still be in a failed transaction."""

    def open(self, post: Post, /) -> None:
        """Open the file a second time. Raises `StoreUnavailable`."""
        self._post = post
        try:
            self._connect()
            self._files.look()
        except BaseException as error:
            raise self.not_opened(error) from None

    def begin(self, commands: Sequence[Command[SQLiteTables, Any]], /) -> None:
        """Begin to read; the first statement fixes the snapshot. Raises `LockWait`."""
        if self._must_reopen:
            self.close()
            self._connect()
        version, _ = self.start("BEGIN")
        if version != VERSION:
            self._writer.stop_writing(f"the file is of version {version} now")
        self.look()
        self.prefetch(commands)

    def commit(self) -> None:
        """Release the snapshot, so that the log can restart."""
        self._execute("COMMIT")
        self._tables.committed()

    def rollback(self) -> None:
        """Release the snapshot; if that fails, drop the connection."""
        try:
            self.undo()
        except sqlite3.Error:
            self._must_reopen = True
        self._tables.forget()

    def refuse(self, error: Exception, /) -> Callable[[], Exception] | None:
        """Judge the error, and close for writing if it says so."""
        if isinstance(error, StoreUnavailable):  # it could not be opened again
            reason = error.reason
            return lambda: StoreUnavailable(reason)
        fault = judge_error(error, committing=False, writing=False)
        if fault is None:
            return None
        if fault.reason is not None:
            self._writer.stop_writing(fault.reason)
        return fault.answer

    def tidy(self) -> float | None:
        """Poll for changes of other processes, while somebody watches."""
        if not self._wakeups:
            return None
        now = time.monotonic()
        if now < self._poll_at:
            return self._poll_at - now
        self._poll_at = now + ChangePoller.PAUSE
        try:
            self._files.look()
            self._change_poller.poll()
        except (*FAILURES, FilesChanged) as error:
            self.refuse(error)
            self._poll_at = now + _LATER
            self._post(self._wakeups.notify_all)  # watchers read, and get the same error
        return self._poll_at - now

    def lost(self) -> Exception:
        """A read changes nothing, so there is no unknown outcome."""
        return StoreClosed()

    def _connect(self) -> None:
        connection = open_to_read(self._path, self._durability, self.given_up)
        self._must_reopen = False
        self.connect(connection)
        self._change_poller = ChangePoller(connection, self._wakeups, self._post)
