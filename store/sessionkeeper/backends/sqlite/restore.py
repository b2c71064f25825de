"""Replaces a store with a backup: afterwards the old file or the new one opens, complete.

The new file is made and checked beside the store, and takes its name with one rename. The log of
the old file must not be read with the new one, so it is copied into the old file before the rename.
A log that does not belong to the old file is set aside. The old file is locked as SQLite locks a
file with a single user.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import sqlite3
import stat
import sys
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from ...values.errors import StoreUnavailable
from .checkpoints import copy_log
from .errors import FAILURES, primary_code, safe_cause
from .maintenance import check_pages, copy_pages, remove_files
from .raw_connection import connect, pragma, sync
from .schema import APPLICATION_ID
from .validation import LOCK_HELD, check_tables, has_own_log, refusal, refuse_foreign_file

__all__ = ["RestoreReport", "restore_file"]

_STEPS = 10_000
"""Instructions of SQLite between two checks whether to stop a statement."""
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# The bytes that SQLite locks (sqlite.org, "File Locking And Concurrency"): pending, reserved,
# shared.
_LOCK_START, _LOCK_LENGTH = 0x4000_0000, 512


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """The content of a restored store, and the logs that were set aside."""

    sessions: int
    frames: int
    set_aside: tuple[str, ...]
    """Paths of logs that did not belong to the old file."""


def restore_file(
    backup: str,
    target: str,
    *,
    replace: bool,
    stop: Event,
    on_progress: Callable[[int, int], object],
) -> RestoreReport:
    """Replace `target` with a copy of `backup`; both are absolute paths.

    Raises `FileExistsError`, `InterruptedError`, `StoreUnavailable`, `OSError`. After an error the
    old store is unchanged, except that a failed sync of the folder may leave the new one.
    """
    _refuse_target(backup, target, replace=replace)
    with _named(backup, stop):
        refuse_foreign_file(backup, writable=False)
        if not has_own_log(backup):
            raise StoreUnavailable(LOCK_HELD)
    token = secrets.token_hex(8)
    new = f"{target}.{token}.new"
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    try:
        with _locked(target, token):  # refuse a store that is open before the long copy
            with _named(backup, stop):
                _copy(backup, new, stop, on_progress)
                sessions, frames = _checked(new, stop)
            sync(new)
        _raise_if_stopped(stop)
        with _named(target, stop):
            own_log = _copy_log_in(target)
        with _locked(target, token):
            set_aside = _remove_logs(target, token, own_log=own_log)
            _raise_if_stopped(stop)
            _move_in(new, target)
        sync(str(Path(target).parent))
        return RestoreReport(sessions, frames, set_aside)
    finally:
        remove_files(new)


def _raise_if_stopped(stop: Event) -> None:
    if stop.is_set():
        raise InterruptedError


@contextmanager
def _named(path: str, stop: Event) -> Generator[None]:
    """Name the file in each error."""
    try:
        yield
    except (*FAILURES, StoreUnavailable) as error:
        if stop.is_set():
            raise InterruptedError from None
        found = error if isinstance(error, StoreUnavailable) else refusal(error)
        cause = None if isinstance(error, StoreUnavailable) else safe_cause(error)
        raise _unavailable(path, found.reason) from cause


def _unavailable(path: str, reason: str) -> StoreUnavailable:
    return StoreUnavailable(f"{os.path.basename(path)}: {reason}")


def _refuse_target(backup: str, target: str, *, replace: bool) -> None:
    """Refuse a target that must not be replaced."""
    os.stat(os.path.dirname(target))  # otherwise the error would name a temporary file
    if os.path.exists(target) and os.path.exists(backup) and os.path.samefile(backup, target):
        raise _unavailable(target, "the backup and the store are the same file")
    for path in (target, f"{target}-wal"):
        if not replace and os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
    if not os.path.lexists(target):
        return
    if not stat.S_ISREG(os.stat(target).st_mode):
        raise _unavailable(target, "not a regular file")
    with suppress(*FAILURES), closing(connect(target, "ro&immutable=1")) as connection:
        connection.execute("PRAGMA writable_schema = ON")  # see `validation`
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and pragma(connection, "application_id") != APPLICATION_ID:
            raise _unavailable(target, "the file is a database, but not a store's")


def _copy(backup: str, new: str, stop: Event, on_progress: Callable[[int, int], object]) -> None:
    """Copy the backup, with its log if it has one, and leave nothing beside it."""
    used = any(os.path.lexists(f"{backup}{suffix}") for suffix in ("-wal", "-shm"))
    before = os.stat(backup)
    with closing(connect(backup, "ro" if used else "ro&immutable=1")) as source:
        source.set_progress_handler(stop.is_set, _STEPS)
        copy_pages(source, new, stop, on_progress)
    after = os.stat(backup)
    if not used and (after.st_mtime_ns, after.st_size) != (before.st_mtime_ns, before.st_size):
        raise StoreUnavailable("the backup was written to while it was copied")


def _checked(new: str, stop: Event) -> tuple[int, int]:
    """Read the whole copy; return how many sessions and frames it holds."""
    with closing(connect(new)) as connection:
        connection.set_progress_handler(stop.is_set, _STEPS)
        check_tables(connection, new)
        wrong = check_pages(connection, stop)
        if wrong:
            raise StoreUnavailable(f"the backup is damaged: {wrong[0]}")
        sessions = connection.execute("SELECT count(*) FROM logs").fetchone()[0]
        frames = connection.execute("SELECT total(frame_count) FROM logs").fetchone()[0]
    return int(sessions), int(frames)


@contextmanager
def _locked(target: str, token: str) -> Generator[None]:
    """Lock the file as its only user. Raises `StoreUnavailable` if a process has it open.

    It opens the file by a second name, for which SQLite finds no log, so it changes none. Locks
    belong to the file, whatever name it was opened by.
    """
    if not os.path.lexists(target):
        yield
        return
    link = f"{target}.{token}.lock"
    os.link(target, link)
    try:
        with closing(connect(link)) as connection:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
            connection.execute("PRAGMA writable_schema = ON")  # see `validation`
            try:
                connection.execute("BEGIN EXCLUSIVE")
            except sqlite3.DatabaseError as error:
                code = primary_code(error)
                if code == sqlite3.SQLITE_BUSY:
                    raise _opened_elsewhere(target) from None
                if code not in _DAMAGED:
                    raise _unavailable(target, refusal(error).reason) from safe_cause(error)
                with _locked_bytes(target, link):
                    yield
            else:
                yield
    finally:
        remove_files(link)


@contextmanager
def _locked_bytes(target: str, link: str) -> Generator[None]:
    """Lock the bytes that SQLite locks, in a file that is no valid database."""
    descriptor = os.open(link, os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCK_LENGTH, _LOCK_START)
        except OSError:
            raise _opened_elsewhere(target) from None
        yield
    finally:
        os.close(descriptor)


def _opened_elsewhere(target: str) -> StoreUnavailable:
    return _unavailable(target, "somebody has the store open; close it everywhere first")


def _copy_log_in(target: str) -> bool:
    """Copy the store's log into its file, if it belongs to it; return whether it does.

    So the old store stays complete when its log is removed. Raises `StoreUnavailable` and
    `sqlite3.Error`.
    """
    log = f"{target}-wal"
    if not os.path.exists(target) or not os.path.exists(log):
        return False
    if not os.path.getsize(log):
        return True
    try:
        alone = has_own_log(target)
    except (StoreUnavailable, *FAILURES):
        return False
    if not alone:
        raise _opened_elsewhere(target)
    try:
        with closing(connect(target)) as connection:
            connection.execute("BEGIN IMMEDIATE")  # see `checkpoints`
            left = copy_log(target, sys.maxsize)
            connection.execute("ROLLBACK")
    except FAILURES as error:
        if primary_code(error) in _DAMAGED:
            return False
        raise
    if left:
        raise _opened_elsewhere(target)
    return True


def _remove_logs(target: str, token: str, *, own_log: bool) -> tuple[str, ...]:
    """Leave no file that SQLite would read with the new one; return what was set aside.

    Raises `StoreUnavailable` if a process wrote the log meanwhile.
    """
    set_aside: list[str] = []
    for suffix in ("-wal", "-journal"):
        log = f"{target}{suffix}"
        if not os.path.lexists(log):
            continue
        if not os.path.getsize(log):
            os.unlink(log)
        elif suffix == "-wal" and own_log:
            raise _opened_elsewhere(target)
        else:
            aside = f"{target}.{token}.old{suffix}"
            os.rename(log, aside)
            set_aside.append(aside)
    with suppress(FileNotFoundError):
        os.unlink(f"{target}-shm")
    sync(str(Path(target).parent))  # the rename must not reach the disk before this
    return tuple(set_aside)


def _move_in(new: str, target: str) -> None:
    if os.path.lexists(target):
        os.replace(new, target)
        return
    try:
        os.link(new, target)  # never over a file that was made meanwhile
    except FileExistsError as error:
        raise FileExistsError(error.errno, error.strerror, target) from None
