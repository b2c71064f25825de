"""Work on a store's file beside its owner: on a connection and a thread of its own."""

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
from .checkpoints import bring_in
from .errors import FAILURES, FilesChanged, LockWait, fault_of, primary_code
from .files import StoreFiles
from .frame_index import listed_wrongly
from .opening import connect, sync
from .origin import NEW_LINE
from .tables import SQLiteTables

__all__ = ["VacuumStep", "aside", "back_up", "check_pages", "checkpoint"]

R = TypeVar("R")

_PAGES = 256
"""Copied at a time; between them one can be told to stop."""
_STEPS = 10_000
"""Of SQLite's machine, between looks whether a statement is to be stopped."""
_FREED = 64
"""Pages given back in one step of the owner's."""


class VacuumStep(Command[SQLiteTables, tuple[int, int]]):
    """Gives some free pages back; its reply is how many, and how many are left."""

    __slots__ = ()

    def apply(self, tables: SQLiteTables, /) -> tuple[int, int]:
        return tables.shrink(_FREED)


async def aside(path: str, files: StoreFiles, work: Callable[[sqlite3.Connection, Event], R]) -> R:
    """Run work on a connection of its own on another thread; a cancellation stops it first.

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
            fault = fault_of(error, committing=False, writing=False)
            if fault is None:
                raise StoreUnavailable(f"SQLite refused ({type(error).__name__})") from error
            answer = fault.answer()
            raise answer from answer.__cause__

    task = asyncio.ensure_future(asyncio.to_thread(run))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # heard
        raise


def back_up(
    source: sqlite3.Connection, stop: Event, target: str, look: Callable[[], object]
) -> None:
    """Copy one moment of the file to a new one. Raises `FileExistsError`, `FilesChanged`.

    A read transaction holds that moment: SQLite would begin again whenever somebody writes. The
    write-ahead log cannot begin anew meanwhile, so it grows by what is written.
    """

    def going_on(status: int, remaining: int, total: int) -> None:
        if stop.is_set():
            raise InterruptedError

    if os.path.lexists(target):
        raise FileExistsError(target)
    new = f"{target}.{secrets.token_hex(8)}.new"
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    try:
        source.execute("BEGIN")
        source.execute("SELECT version FROM meta").fetchone()
        with closing(connect(new)) as copy:
            source.backup(copy, pages=_PAGES, progress=going_on)
            copy.execute(NEW_LINE)
        look()
        sync(new)
        os.link(new, target)  # never over another file
        sync(str(Path(target).parent))
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            with suppress(FileNotFoundError):
                os.unlink(new + suffix)


def checkpoint(
    connection: sqlite3.Connection,
    stop: Event,
    path: str,
    patience: float,
    look: Callable[[], object],
) -> int:
    """Bring the write-ahead log into the file; return how many pages are left in it.

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
        return bring_in(path, sys.maxsize)
    finally:
        connection.execute("ROLLBACK")


def check_pages(connection: sqlite3.Connection, stop: Event) -> list[str]:
    """Read the whole file; return what is wrong with it, nothing if all is well."""
    found: list[str] = []
    try:
        found += (row[0] for row in connection.execute("PRAGMA integrity_check(100)"))
    except sqlite3.DatabaseError as error:
        if primary_code(error) != sqlite3.SQLITE_CORRUPT:
            raise
        found.append(str(error))
    if found != ["ok"]:
        return found
    return ["frames are not listed as they are"] if listed_wrongly(connection) else []
