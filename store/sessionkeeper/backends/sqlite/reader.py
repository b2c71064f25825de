"""A batch of commands that only read, on a connection that cannot write.

What it sees is one moment between its beginning and its end: all that was acknowledged before, by
whatever process, and nothing that is not yet synced, for SQLite shows a commit after its sync.
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
    """Reads beside a writer, which opened the file before; what is wrong with it, it is told.

    Nobody's lock is waited for but that of a process that recovers the file. The news of other
    processes are looked for here: a commit that takes its time does not hold them up.
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
        self._look_at = 0.0
        self._spoiled = False
        """Whether the connection is still in the midst of something that failed."""

    def open(self, post: Post, /) -> None:
        """Open the file a second time. Raises `StoreUnavailable`."""
        self._post = post
        try:
            self._connect()
            self._files.look()
        except BaseException as error:
            raise self.not_opened(error) from None

    def begin(self, commands: Sequence[Command[SQLiteTables, Any]], /) -> None:
        """Begin to read; the first look at the file fixes the moment. Raises `LockWait`."""
        if self._spoiled:
            self.close()
            self._connect()
        version, _ = self.start("BEGIN")
        if version != VERSION:
            self._writer.stop_writing(f"the file is of version {version} now")
        self.look()
        self.prefetch(commands)

    def commit(self) -> None:
        """Let go of the moment, so that the log can begin anew."""
        self._execute("COMMIT")
        self._tables.forget(all=False)

    def rollback(self) -> None:
        """Let go of the moment however far it came; where that fails, with the connection."""
        try:
            self.undo()
        except sqlite3.Error:
            self._spoiled = True
        self._tables.forget()

    def refuse(self, error: Exception, /) -> Callable[[], Exception] | None:
        """Judge the error, and close for writing if it says so."""
        if isinstance(error, StoreUnavailable):  # it could not be opened anew
            reason = error.reason
            return lambda: StoreUnavailable(reason)
        fault = judge_error(error, committing=False, writing=False)
        if fault is None:
            return None
        if fault.reason is not None:
            self._writer.stop_writing(fault.reason)
        return fault.answer

    def tidy(self) -> float | None:
        """Look for others' news, while somebody watches."""
        if not self._wakeups:
            return None
        now = time.monotonic()
        if now < self._look_at:
            return self._look_at - now
        self._look_at = now + ChangePoller.PAUSE
        try:
            self._files.look()
            self._change_poller.poll()
        except (*FAILURES, FilesChanged) as error:
            self.refuse(error)
            self._look_at = now + _LATER
            self._post(self._wakeups.notify_all)  # who watches looks, and is told the same
        return self._look_at - now

    def lost(self) -> Exception:
        """Nothing was changed, whatever the thread is about."""
        return StoreClosed()

    def _connect(self) -> None:
        connection = open_to_read(self._path, self._durability, self.given_up)
        self._spoiled = False
        self.connect(connection)
        self._change_poller = ChangePoller(connection, self._wakeups, self._post)
