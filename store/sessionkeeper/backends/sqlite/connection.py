"""The part that reading and writing share: waiting for a lock, giving up, closing."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar

from soleowner import Command, Post, Transactions

from .errors import FAILURES, FilesChanged, GivenUp, LockWait, judge_error, primary_code
from .file_identity import FileIdentity, identity_in_file, identity_with_log, read_until_matching
from .files import Look, StoreFiles
from .raw_connection import connect
from .store_counters import SQLiteCounters
from .tables import SQLiteTables

__all__ = ["SQLiteConnection"]

R = TypeVar("R")

_WAITED_FOR = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)


class SQLiteConnection(Transactions[SQLiteTables]):
    """Transactions on one connection to the file, of one thread."""

    _post: Post
    """Calls a function on the owner's loop."""

    def __init__(
        self, tables: SQLiteTables, path: str, files: StoreFiles, *, patience: float
    ) -> None:
        self._tables = tables
        self._path = path
        self._files = files
        self._seen: Look | None = None
        """The files at the last check."""
        self._identity: FileIdentity | None = None
        self._epoch_is_over = False
        """Whether the file itself is of the current epoch: then the next change begins another."""
        self._patience = patience
        self._interrupted = False
        self._connection: sqlite3.Connection | None = None

    def connect(self, connection: sqlite3.Connection) -> None:
        """Work on this connection from now on."""
        self._files.join()
        self._connection, self._execute = connection, connection.execute
        self._tables.attach(connection, self._path)

    def given_up(self) -> bool:
        """Whether the store is being closed, so that no lock is waited for."""
        return self._interrupted

    def start(self, statement: str) -> tuple[int, SQLiteCounters]:
        """Begin a transaction; return the file's version and counters. Raises `LockWait`."""
        started = time.monotonic()
        while True:
            try:
                self._execute(statement)
                return self._tables.load()
            except sqlite3.OperationalError as error:
                if primary_code(error) not in _WAITED_FOR:
                    raise
                if self._connection is not None and self._connection.in_transaction:
                    self._execute("ROLLBACK")
                waited = time.monotonic() - started
                if self._interrupted:
                    raise GivenUp from None
                if waited >= self._patience:
                    raise LockWait(waited) from error

    def look(self) -> None:
        """Check the files, within a transaction. Raises `FilesChanged`."""
        found = self._files.look()
        before, self._seen = self._seen, None
        if before is None or found.written != before.written:
            self._compare()
        self._seen = found

    def _compare(self) -> None:
        """Tell a checkpoint from a copy over the file. Raises `FilesChanged` for a copy."""
        pair = read_until_matching(
            lambda: (identity_in_file(connect, self._path), identity_with_log(self._execute))
        )
        if pair is None:
            raise self._files.overwritten()
        file, seen = pair
        known = self._identity
        if known and seen and (seen.file_id != known.file_id or seen.epoch < known.epoch):
            raise self._files.overwritten()
        self._identity = seen
        self._epoch_is_over = file == seen

    def prefetch(self, commands: Sequence[Command[SQLiteTables, Any]]) -> None:
        """Read the sessions of the commands, many with one query."""
        # Not `isinstance`, which for an abstract class costs half a microsecond a command.
        self._tables.prefetch({getattr(command, "session_id", "") for command in commands})

    def apply(self, command: Command[SQLiteTables, R], /) -> R:
        """Apply one command."""
        return command.apply(self._tables)

    def undo(self) -> None:
        """End a transaction, if there is one. Raises `sqlite3.Error`."""
        if self._connection is not None and self._connection.in_transaction:
            self._execute("ROLLBACK")

    def not_opened(self, error: BaseException) -> BaseException:
        """Close, and return the exception to raise."""
        self.close()
        fault = None
        if isinstance(error, Exception):
            fault = judge_error(error, committing=False, writing=False)
        return error if fault is None else fault.answer()

    def close(self) -> None:
        """Close the connection; SQLite makes a checkpoint if no other connection is open."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # Check first: SQLite would copy the log into whatever file is there now.
            with suppress(*FAILURES, FilesChanged):
                if self._seen is not None and not connection.in_transaction:
                    connection.execute("BEGIN")
                    self.look()
                    connection.execute("ROLLBACK")
            self._files.part(connection)

    def interrupt(self) -> None:
        """Stop waiting for a lock, and stop the running statement."""
        self._interrupted = True
        connection = self._connection
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.interrupt()
