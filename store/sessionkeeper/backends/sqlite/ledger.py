"""A batch as one transaction on the file, and what the file needs between batches."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from soleowner import Command, Post, Transactions

from ...errors import OutcomeUnknown, StoreUnavailable
from ...guarantees import Durability
from ...ids import new_session_id
from ...listening import Listeners
from ...store_command import OneSession
from ...watching import Bells
from .faults import GivenUp, LockWait, fault_of, primary_code
from .news import News
from .opening import open_file
from .schema import VERSION
from .tables import SQLiteTables

__all__ = ["SQLiteLedger"]

R = TypeVar("R")

CHECKPOINT_AT = 8 * 1024 * 1024
"""Bytes in the write-ahead log, about, before they are brought into the file."""
_LATER = 1.0
_WAITED_FOR = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)


class SQLiteLedger(Transactions[SQLiteTables]):
    """Every promise across processes rests on two things: a batch that may write begins with the
    file's write lock, and what it reads it reads after that.

    After a failure that may have reached the disk nothing is written any more; reads go on.
    """

    def __init__(
        self,
        tables: SQLiteTables,
        path: str,
        *,
        durability: Durability,
        patience: float,
        bells: Bells,
        listeners: Listeners,
    ) -> None:
        self._tables = tables
        self._path = path
        self._durability = durability
        self._patience = patience
        self._bells = bells
        self._listeners = listeners
        self._reason: str | None = None
        """Why nothing can be written any more."""
        self._spoiled = False
        """Whether the connection's own memory of the file is not to be trusted."""
        self._interrupted = False
        self._committing = self._writing = False
        self._idle_until = 0.0
        self._connection: sqlite3.Connection | None = None

    @property
    def reason(self) -> str | None:
        """Why nothing can be written any more; None while it can."""
        return self._reason

    def open(self, post: Post, /) -> None:
        """Open the file. Raises `StoreUnavailable`."""
        self._post = post
        try:
            self._connect()
            self._date()
            self._file = _identity(self._path)
        except BaseException as error:
            self.close()
            fault = None
            if isinstance(error, Exception):
                fault = fault_of(error, committing=False, writing=False)
            if fault is None:
                raise
            raise fault.answer() from None

    def begin(self, commands: Sequence[Command[SQLiteTables, Any]], /) -> None:
        """Begin to read, or to write if one of the commands may. Raises `LockWait`."""
        self._writing = self._reason is None and not all(
            getattr(command, "read_only", False) for command in commands
        )
        if self._writing and _identity(self._path) != self._file:
            self._stop_writing("the file was removed or replaced underneath the store")
            self._writing = False
        if self._spoiled:
            self.close()
            self._connect()
        self._begin()
        self._tables.prefetch({c.session_id for c in commands if isinstance(c, OneSession)})

    def apply(self, command: Command[SQLiteTables, R], /) -> R:
        """Apply one command. Raises `StoreUnavailable` for one that may not write any more."""
        if self._reason is not None and not getattr(command, "read_only", False):
            raise StoreUnavailable(f"closed for writing: {self._reason}")
        return command.apply(self._tables)

    def commit(self) -> Callable[[], None] | None:
        """Write what was collected, and commit; then the watchers and listeners may be told."""
        if self._writing:
            self._tables.save()
        self._committing = True
        self._execute("COMMIT")
        self._committing = False
        events, announced = self._tables.events, self._tables.announced
        self._tables.forget(all=False)
        if not self._writing:
            return None
        self._news.seen(self._tables.numbers)
        return partial(self._tell, events, announced) if events or announced else None

    def rollback(self) -> None:
        """Undo the batch. Where even that fails, reads go on with a new connection."""
        try:
            if self._connection is not None and self._connection.in_transaction:
                self._execute("ROLLBACK")
        except sqlite3.Error as error:
            self._stop_writing(f"a rollback failed ({type(error).__name__})")
            self._spoiled = True
        self._tables.forget()

    def refuse(self, error: Exception, /) -> Callable[[], Exception] | None:
        """Judge the error, and close for writing if it says so."""
        if isinstance(error, StoreUnavailable):  # it could not be opened anew
            reason = error.reason
            return lambda: StoreUnavailable(reason)
        fault = fault_of(error, committing=self._committing, writing=self._writing)
        self._committing = False
        if fault is None:
            return None
        if fault.reason is not None:
            self._stop_writing(fault.reason)
        return fault.answer

    def tidy(self) -> float | None:
        """Look for others' news, sweep a grave, bring the log into the file: one at a time."""
        pause = None
        try:
            if self._bells:
                self._news.look()
                pause = News.PAUSE
            if self._reason is None and time.monotonic() >= self._idle_until:
                if self._tables.frames.written > CHECKPOINT_AT:
                    self._tables.frames.written = 0
                    self._execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                elif self._tables.frames.buried:
                    self._sweep()
                    pause = 0.0
        except (sqlite3.Error, LockWait) as error:
            self._trouble(error)
            return min(pause or _LATER, _LATER)
        return pause

    def close(self) -> None:
        """Close the connection; SQLite brings the log into the file if nobody else has it open."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def interrupt(self) -> None:
        """Stop waiting for a lock, and the statement that runs."""
        self._interrupted = True
        connection = self._connection
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.interrupt()

    def lost(self) -> Exception:
        """Nobody knows what the disk will make of it."""
        return OutcomeUnknown(new_session_id())

    def _connect(self) -> None:
        self._connection = connection = open_file(self._path, self._durability)
        self._spoiled = False
        self._execute = connection.execute
        self._tables.attach(connection, self._path)
        self._news = News(connection, self._bells, self._post)

    def _begin(self) -> None:
        started = time.monotonic()
        while True:
            try:
                self._execute("BEGIN IMMEDIATE" if self._writing else "BEGIN")
                version, numbers = self._tables.load()
                break
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
        if version != VERSION and self._reason is None:
            self._stop_writing(f"the file is of version {version} now")
        self._news.look_within(numbers)

    def _date(self) -> None:
        """Note which start of the machine the clock counts from, so that all agree."""
        for self._writing in (False, True):  # most often looking is enough
            self._begin()
            new = self._tables.age.follow(self._tables.numbers.stamp)
            if self._writing and new:
                self._tables.save(always=True)
            self._execute("COMMIT")
            self._tables.forget()
            if not new:
                return

    def _sweep(self) -> None:
        self._execute("BEGIN IMMEDIATE")
        try:
            self._tables.frames.sweep()
            self._execute("COMMIT")
        except BaseException:
            self.rollback()
            raise

    def _trouble(self, error: Exception) -> None:
        self._idle_until = time.monotonic() + _LATER
        self._writing = True
        self._committing = False
        self.refuse(error)

    def _stop_writing(self, reason: str) -> None:
        self._reason = self._reason or reason

    def _tell(self, events: list[Any], announced: set[str]) -> None:
        for event, context in events:
            self._listeners.tell(event, context)
        for session_id in announced:
            self._bells.ring(session_id)


def _identity(path: str) -> tuple[int, ...] | None:
    """Which file, and which log: one that was removed takes writes as if nothing had happened."""
    try:
        file, log = os.stat(path), os.stat(f"{path}-wal")
    except OSError:
        return None
    return file.st_dev, file.st_ino, log.st_ino
