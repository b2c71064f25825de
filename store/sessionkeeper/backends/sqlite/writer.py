"""A batch as one transaction on the file, and the work on the file between batches."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import Any, TypeVar

from soleowner import Command, Post

from ...interface.listeners import Listeners
from ...interface.wakeups import StoreWakeups
from ...values.errors import OutcomeUnknown, StoreUnavailable
from ...values.guarantees import Durability
from ...values.ids import new_session_id
from .checkpoints import copy_log
from .connection import SQLiteConnection
from .disk_reserve import DiskReserve
from .disk_room import DiskRoom
from .errors import FAILURES, FilesChanged, LockWait, judge_error
from .file_identity import NEW_EPOCH
from .files import Look, StoreFiles
from .opening import open_file
from .raw_connection import connect
from .schema import PAGE_BYTES, VERSION
from .sqlite_version import warn_once
from .store_counters import read_meta
from .tables import SQLiteTables

__all__ = ["SQLiteWriter"]

R = TypeVar("R")

CHECKPOINT_AT = 8 * 1024 * 1024
"""Bytes in the write-ahead log, about, when a checkpoint is made."""
MAX_LOG_BYTES = 4 * CHECKPOINT_AT
"""Bytes in the log, about, when a checkpoint waits for readers."""
_LATER = 1.0
_SHRUNK_AT_ONCE = 16
"""Pages."""


class SQLiteWriter(SQLiteConnection):
    """Every guarantee across processes needs two things: a batch that may write begins with the
    file's write lock, and it reads only after that.

    After a failure that may have reached the disk, nothing is written any more; reads go on.
    """

    def __init__(
        self,
        tables: SQLiteTables,
        path: str,
        files: StoreFiles,
        *,
        durability: Durability,
        patience: float,
        wakeups: StoreWakeups,
        listeners: Listeners,
    ) -> None:
        super().__init__(tables, path, files, patience=patience)
        self._durability = durability
        self._wakeups = wakeups
        self._listeners = listeners
        self._reason: str | None = None
        """Why nothing can be written any more."""
        self._committing = self._writing = False
        self._idle_until = 0.0
        self._reserve = DiskReserve(path)
        self._may_shrink = False
        """Whether the file may have free pages that a disk without room for the reserve needs."""
        self._room = DiskRoom(path, self._reserve)
        self._held = self._written = 0

    @property
    def reason(self) -> str | None:
        """Why nothing can be written any more; None while it can."""
        return self._reason

    def open(self, post: Post, /) -> None:
        """Open the file. Raises `StoreUnavailable`."""
        self._post = post
        try:
            self._files.expect()
            if self._reserve.is_needed:  # the log and its index need room, too
                self._reserve.release()
            self.connect(open_file(self._path, self._durability, self.given_up))
            self._files.remember()
            self._write_stamp()
            warn_once()
        except BaseException as error:
            raise self.not_opened(error) from None

    def begin(self, commands: Sequence[Command[SQLiteTables, Any]], /) -> None:
        """Begin a batch, with the write lock unless writing was stopped. Raises `LockWait`."""
        self._writing = self._reason is None
        # After a failed rollback this connection must not be used.
        if self._writing:
            self._make_way(commands)
            self._begin()
            self._held, self._written = self._count_held(), self._tables.frames.written
            self.prefetch(commands)

    def apply(self, command: Command[SQLiteTables, R], /) -> R:
        """Apply one command. Raises `StoreUnavailable` if writing was stopped."""
        if self._reason is not None:
            raise StoreUnavailable(f"closed for writing: {self._reason}")
        return command.apply(self._tables)

    def commit(self) -> Callable[[], None] | None:
        """Write and commit; return the function that notifies watchers and listeners."""
        if not self._writing:
            return None
        begins = self._begin_epoch() if self._epoch_is_over and self._tables.changed else False
        self._tables.save()
        self._files.look()  # a file that took the name since would be overwritten
        if self._count_held() > self._held:
            self._room.check_batch(self._execute, self._tables.frames.written - self._written)
        self._committing = True
        self._execute("COMMIT")
        found = self._files.look()  # before it is acknowledged
        self._committing = False
        self._note_commit(found, begins=begins)
        events, announced = self._tables.events, self._tables.announced
        self._tables.committed()
        return partial(self._tell, events, announced) if events or announced else None

    def rollback(self) -> None:
        """Undo the batch. If even that fails, writing stops."""
        try:
            self.undo()
        except sqlite3.Error as error:
            self.stop_writing(f"a rollback failed ({type(error).__name__})")
        self._tables.forget()

    def refuse(self, error: Exception, /) -> Callable[[], Exception] | None:
        """Judge the error, and stop writing if necessary."""
        fault = judge_error(error, committing=self._committing, writing=self._writing)
        self._committing = False
        if fault is None:
            return None
        if fault.reason is not None:
            self.stop_writing(fault.reason)
        return fault.answer

    def tidy(self) -> float | None:
        """Delete frames that have a tombstone, or make a checkpoint: one step at a time."""
        if self._reason is not None or time.monotonic() < self._idle_until:
            return _LATER if self._reason is None else None
        try:
            written = self._tables.frames.written
            if written > CHECKPOINT_AT or (written and self._room.is_short(self._execute, written)):
                self._tables.frames.written = 0
                self._checkpoint()
            elif self._tables.frames.has_tombstones:
                self._collect()
                return 0.0
            elif not self._reserve.hold() and self._may_shrink:
                self._may_shrink = self._shrink()
                self._checkpoint()
                return 0.0
        except (*FAILURES, LockWait, FilesChanged) as error:
            self._note_failure(error)
            return _LATER
        return None

    def lost(self) -> Exception:
        """The outcome of the batch is not known."""
        return OutcomeUnknown(new_session_id())

    def _make_way(self, commands: Sequence[Command[SQLiteTables, Any]]) -> None:
        """Give up the reserve of a full disk for a batch that may remove something."""
        self._tables.frames.is_careful = is_full = self._reserve.is_needed
        if is_full and not all(map(_adds, commands)):
            self._reserve.release()
            self._may_shrink = True
            # Then the log is written from its beginning, which takes no further room.
            with suppress(*FAILURES):
                self._checkpoint()

    def _shrink(self) -> bool:
        """Give some free pages of the file to the disk; return whether there may be more."""
        self._begin_alone()
        try:
            freed, left = self._tables.shrink(_SHRUNK_AT_ONCE)
            self._files.look()
            self._execute("COMMIT")
        except BaseException:
            self.rollback()
            raise
        return bool(freed and left)

    def _begin(self) -> None:
        version, _ = self.start("BEGIN IMMEDIATE" if self._writing else "BEGIN")
        if version != VERSION:
            self.stop_writing(f"the file is of version {version} now")
        before = self._seen
        self.look()
        if before and self._seen and self._seen.log_bytes < before.log_bytes:
            self._check_log()

    def _count_held(self) -> int:
        """Count what the store holds: more of it needs room."""
        return self._tables.counters.bytes + self._tables.counters.sessions

    def _begin_epoch(self) -> bool:
        """Begin an epoch with the first change after a checkpoint, unless another process did."""
        if self._identity is None or not self._execute(NEW_EPOCH, (self._identity.epoch,)).rowcount:
            return False
        # Writes the first page, so that the schema cookie is in the log, too.
        self._execute(f"PRAGMA user_version = {VERSION}")
        return True

    def _note_commit(self, found: Look, *, begins: bool) -> None:
        if self._seen is not None:  # the next check tells when the file was written
            self._seen = self._seen._replace(log_bytes=found.log_bytes)
        if begins and self._identity is not None:
            self._identity = self._identity._replace(epoch=self._identity.epoch + 1)
            self._epoch_is_over = False

    def _check_log(self) -> None:
        """Tell whether the log, now shorter, was restarted or cut. Raises `FilesChanged` if cut.

        This connection has pages of the log in memory. So a new connection reads the row that every
        commit writes.
        """
        try:
            with closing(connect(self._path, "ro")) as fresh:
                same = read_meta(fresh.execute) == read_meta(self._execute)
        except FAILURES:
            same = False
        if not same:
            raise self._files.overwritten("-wal")

    def _write_stamp(self) -> None:
        """Write from which start of the machine the clock counts, so that all processes agree."""
        for self._writing in (False, True):  # usually reading is enough
            self._begin()
            new = self._tables.age.follow(self._tables.stored_counters.stamp)
            if self._writing and new:
                self._tables.save(always=True)
            self._execute("COMMIT")
            self._tables.forget()
            if not new:
                return

    def _checkpoint(self) -> None:
        self._begin_alone()
        try:
            # Readers that overlap one another can keep a log from restarting.
            copy_log(self._path, MAX_LOG_BYTES // PAGE_BYTES)
        finally:
            self.undo()

    def _collect(self) -> None:
        self._begin_alone()
        try:
            self._tables.frames.collect()
            self._files.look()
            self._execute("COMMIT")
        except BaseException:
            self.rollback()
            raise

    def _begin_alone(self) -> None:
        """Begin a transaction without commands. Raises `FilesChanged`, `sqlite3.Error`."""
        self._execute("BEGIN IMMEDIATE")
        try:
            self.look()
        except BaseException:
            self.rollback()
            raise

    def _note_failure(self, error: Exception) -> None:
        self._idle_until = time.monotonic() + _LATER
        self._writing = True
        self._committing = False
        self.refuse(error)

    def stop_writing(self, reason: str) -> None:
        """Write nothing from the next batch on. From any thread."""
        self._reason = self._reason or reason

    def _tell(self, events: list[Any], announced: set[str]) -> None:
        for event, context in events:
            self._listeners.tell(event, context)
        for session_id in announced:
            self._wakeups.notify(session_id)


def _adds(command: Command[SQLiteTables, Any]) -> bool:
    return bool(getattr(command, "adds", False))
