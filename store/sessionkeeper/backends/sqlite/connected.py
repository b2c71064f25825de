"""What reading and writing a file have in common: to wait for a lock, to give up, to let go."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock
from typing import Any, TypeVar

from soleowner import Command, Post, Transactions

from .faults import GivenUp, LockWait, fault_of, primary_code
from .numbers import StoreNumbers
from .tables import SQLiteTables

__all__ = ["Connected", "identity"]

R = TypeVar("R")

_WAITED_FOR = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)


class Connected(Transactions[SQLiteTables]):
    """Transactions on one connection to the file, of one thread."""

    _post: Post
    """Has a function called on the owner's loop."""

    def __init__(self, tables: SQLiteTables, path: str, *, patience: float) -> None:
        self._tables = tables
        self._path = path
        self._patience = patience
        self._interrupted = False
        self._connection: sqlite3.Connection | None = None
        self.closing = Lock()
        """Held while a connection is closed; of all that one store has on the file."""

    def connect(self, connection: sqlite3.Connection) -> None:
        """Work on this connection from now on."""
        self._connection, self._execute = connection, connection.execute
        self._tables.attach(connection, self._path)

    def given_up(self) -> bool:
        """Whether the store is being closed, and a lock is waited for no longer."""
        return self._interrupted

    def start(self, statement: str) -> tuple[int, StoreNumbers]:
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

    def prefetch(self, commands: Sequence[Command[SQLiteTables, Any]]) -> None:
        """Look up the sessions the commands are about, with one question for many."""
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
        """Let go, and say what is to be raised."""
        self.close()
        fault = None
        if isinstance(error, Exception):
            fault = fault_of(error, committing=False, writing=False)
        return error if fault is None else fault.answer()

    def close(self) -> None:
        """Close the connection; SQLite brings the log into the file if nobody else has it open."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # Closed at once, each would find the other still there, and leave the log behind.
            with self.closing, suppress(sqlite3.Error):
                connection.close()

    def interrupt(self) -> None:
        """Stop waiting for a lock, and the statement that runs."""
        self._interrupted = True
        connection = self._connection
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.interrupt()


def identity(path: str) -> tuple[int, ...] | None:
    """Which file, and which log: one that was removed takes writes as if nothing had happened."""
    try:
        file, log = os.stat(path), os.stat(f"{path}-wal")
    except OSError:
        return None
    return file.st_dev, file.st_ino, log.st_ino
