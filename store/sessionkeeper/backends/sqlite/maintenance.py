"""Work on a store's file outside its owner, on another connection and thread."""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from threading import Event
from typing import TypeVar

from soleowner import Command

from ...values.errors import StoreUnavailable
from .checkpoints import copy_log
from .consistency import differences
from .errors import FAILURES, FilesChanged, LockWait, judge_error, primary_code
from .file_identity import NEW_FILE_ID
from .files import StoreFiles
from .raw_connection import connect, sync
from .tables import SQLiteTables
from .upgrades import make_current

__all__ = [
    "VacuumStep",
    "run_aside",
    "back_up",
    "check_pages",
    "checkpoint",
    "copy_pages",
    "remove_files",
    "run_in_thread",
]

R = TypeVar("R")

_PAGES = 256
"""Pages that are copied at a time; a copy can be stopped in between."""
_STEPS = 10_000
"""Instructions of SQLite between two checks whether to stop a statement."""
_FREED = 64
"""Pages that are freed in one command."""


class VacuumStep(Command[SQLiteTables, tuple[int, int]]):
    """Frees some pages; the reply is how many were freed, and how many are still free."""

    __slots__ = ()

    def apply(self, tables: SQLiteTables, /) -> tuple[int, int]:
        return tables.shrink(_FREED)


async def run_aside(
    path: str, files: StoreFiles, work: Callable[[sqlite3.Connection, Event], R]
) -> R:
    """Run work on a new connection in another thread; a cancellation stops the work first.

    Raises `StoreUnavailable`, and whatever else the work raises.
    """
    stop = Event()

    def run() -> R:
        try:
            with closing(connect(path)) as connection:
                connection.set_progress_handler(stop.is_set, _STEPS)
                files.look()
                found = work(connection, stop)
                files.look()
                return found
        except (*FAILURES, FilesChanged, LockWait) as error:
            fault = judge_error(error, committing=False, writing=False)
            if fault is None:
                raise StoreUnavailable(f"SQLite refused ({type(error).__name__})") from error
            answer = fault.answer()
            raise answer from answer.__cause__

    return await run_in_thread(run, stop)


async def run_in_thread(work: Callable[[], R], stop: Event) -> R:
    """Run work on another thread; a cancellation sets `stop` and waits until the work has ended.

    Raises whatever the work raises.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError as error:
        stop.set()
        await asyncio.wait({task})
        if not task.cancelled() and task.exception() is None:
            error.add_note("it was done by then")
        raise


def back_up(
    source: sqlite3.Connection, stop: Event, target: str, look: Callable[[], object]
) -> None:
    """Copy a snapshot of the file to a new file. Raises `FileExistsError`, `FilesChanged`.

    A read transaction keeps the snapshot: otherwise SQLite would restart after each write.
    Meanwhile the write-ahead log cannot restart, so it grows by what is written.
    """

    if os.path.lexists(target):
        raise FileExistsError(target)
    new = f"{target}.{secrets.token_hex(8)}.new"
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    try:
        copy_pages(source, new, stop)
        look()
        sync(new)
        os.link(new, target)  # never over another file
        sync(str(Path(target).parent))
    finally:
        remove_files(new)


def copy_pages(
    source: sqlite3.Connection,
    new: str,
    stop: Event,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
) -> None:
    """Copy a snapshot of a file to one that no other process knows, and give it a new file id.

    `on_progress` is called with the pages copied and the pages in all. Raises `sqlite3.Error`, and
    `InterruptedError` once `stop` is set.
    """

    def advance(status: int, remaining: int, total: int) -> None:
        if stop.is_set():
            raise InterruptedError
        on_progress(total - remaining, total)

    source.execute("BEGIN")
    source.execute("SELECT version FROM meta").fetchone()
    with closing(connect(new)) as copy:
        source.backup(copy, pages=_PAGES, progress=advance)
        # Without a log: closing would copy it, hide the errors of that, and lose the new id.
        copy.execute("PRAGMA journal_mode = MEMORY").fetchall()
        make_current(copy)
        copy.execute(NEW_FILE_ID)


def remove_files(path: str) -> None:
    """Remove a file of this process, and what SQLite made beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            os.unlink(path + suffix)


def checkpoint(
    connection: sqlite3.Connection,
    stop: Event,
    path: str,
    patience: float,
    look: Callable[[], object],
) -> int:
    """Copy the write-ahead log into the file; return how many pages are left in it.

    Raises `LockWait`.
    """
    started = time.monotonic()
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
            break
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_BUSY:
                raise
            waited = time.monotonic() - started
            if stop.is_set() or waited >= patience:
                raise LockWait(waited) from error
    try:
        look()
        return copy_log(path, sys.maxsize)
    finally:
        connection.execute("ROLLBACK")


def check_pages(connection: sqlite3.Connection, stop: Event) -> list[str]:
    """Read the whole file; return what is wrong with it, empty if all is well."""
    found: list[str] = []
    try:
        found += (row[0] for row in connection.execute("PRAGMA integrity_check(100)"))
    except sqlite3.DatabaseError as error:
        if primary_code(error) != sqlite3.SQLITE_CORRUPT:
            raise
        found.append(str(error))
    if found != ["ok"]:
        return found
    return differences(connection)
