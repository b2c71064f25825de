"""Checks whether a file is a store, without changing it."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from ...values.errors import StoreUnavailable
from .consistency import compare_newest_rows
from .errors import corruption_error, primary_code
from .file_identity import identity_in_file, identity_with_log, read_until_matching
from .raw_connection import connect, pragma
from .schema import APPLICATION_ID, NAMES, VERSION
from .store_counters import decode_counters, read_meta

__all__ = ["LOCK_HELD", "check_tables", "has_own_log", "refusal", "refuse_foreign_file"]

LOCK_HELD = "another process holds the file's lock"
_NOT_WRITABLE = "the file or its folder cannot be written"


def refuse_foreign_file(path: str, *, writable: bool = True) -> None:
    """Refuse a foreign or newer file, without a lock, a log or a change."""
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise StoreUnavailable("not a regular file")
    effective = os.access in os.supports_effective_ids
    if not os.access(path, os.R_OK | (os.W_OK if writable else 0), effective_ids=effective):
        raise StoreUnavailable(_NOT_WRITABLE)
    if not found.st_size:
        raise StoreUnavailable("the file is empty, so no store; remove it to have one made")
    with closing(connect(path, "ro&immutable=1")) as connection:
        # A crash during a checkpoint leaves a file shorter than its header says, which the log
        # repairs. Without this setting, which writes nothing, SQLite would call it malformed.
        connection.execute("PRAGMA writable_schema = ON")
        whose = pragma(connection, "application_id")
        version = pragma(connection, "user_version")
    if whose != APPLICATION_ID:
        raise StoreUnavailable("the file is a database, but not a store's")
    if version > VERSION:
        raise _newer(version)


def has_own_log(path: str) -> bool:
    """Return True if the log belongs to the file, False if another process holds a lock.

    It uses a connection that cannot write: another one would copy a foreign log when it closes.
    Raises `StoreUnavailable` for a foreign log.
    """
    log = Path(f"{path}-wal")
    if not log.exists() or not log.stat().st_size:
        return True
    try:
        with closing(connect(path, "ro")) as connection:
            pair = read_until_matching(
                lambda: (identity_in_file(connect, path), identity_with_log(connection.execute))
            )
    except sqlite3.OperationalError as error:
        # The connection that can write will report any other error.
        return primary_code(error) != sqlite3.SQLITE_BUSY
    if pair is None:
        raise StoreUnavailable(
            f"the log {log.name} is not the file's: another file was put in the place of the one it"
            " belongs to; put that one back, or remove the log and what it holds"
        )
    return True


def check_tables(connection: sqlite3.Connection, path: str) -> None:
    """Check a few pages; to check all of them takes as long as reading the file."""
    version = pragma(connection, "user_version")
    if version > VERSION:  # in the log, which `refuse_foreign_file` does not read
        raise _newer(version)
    rows = connection.execute("SELECT type, name FROM sqlite_master").fetchall()
    # A damaged schema can hold bytes where it held a text.
    names = frozenset(name for _, name in rows if not str(name).startswith("sqlite_"))
    # A store has no trigger or view: they would run with its writes.
    if names != NAMES or not {kind for kind, _ in rows} <= {"table", "index"}:
        raise StoreUnavailable("the file's tables are not a store's")
    if not os.path.exists(f"{path}-wal") or not os.path.getsize(f"{path}-wal"):
        pages = pragma(connection, "page_count")
        if os.path.getsize(path) < pages * pragma(connection, "page_size"):
            raise StoreUnavailable("the file is damaged: its end is missing")
    # Read the path to both ends of each tree.
    for table, key in (("sessions", "number"), ("logs", "session"), ("frames", "key")):
        for order in ("ASC", "DESC"):
            connection.execute(f"SELECT * FROM {table} ORDER BY {key} {order} LIMIT 1").fetchall()  # noqa: S608 - ours
    _check_counters(connection)
    compare_newest_rows(connection)


def _check_counters(connection: sqlite3.Connection) -> None:
    """Refuse counters that are behind the rows: a reused number would overwrite a session."""
    used = [
        connection.execute(query).fetchone()[0] or 0
        for query in (
            "SELECT max(number) FROM sessions",
            "SELECT max(position) FROM logs WHERE ended = 0",
            "SELECT max(position) FROM logs WHERE ended = 1",
        )
    ]
    # Read after the rows: other processes only increase them.
    counters = decode_counters(read_meta(connection.execute)[1])
    sound = all(type(each) is int for each in used)
    if not sound or used[0] > counters.last_number or max(used[1:]) > counters.last_position:
        raise corruption_error("what the file counts")


def _newer(version: int) -> StoreUnavailable:
    return StoreUnavailable(f"the file is of version {version}, newer than {VERSION}")


def refusal(error: Exception) -> StoreUnavailable:
    reasons = {
        sqlite3.SQLITE_NOTADB: "the file is no database",
        sqlite3.SQLITE_CORRUPT: "the file is damaged",
        sqlite3.SQLITE_CONSTRAINT: "the file is damaged",
        sqlite3.SQLITE_ERROR: "the file is not as it was",
        sqlite3.SQLITE_BUSY: LOCK_HELD,
        sqlite3.SQLITE_READONLY: _NOT_WRITABLE,
        sqlite3.SQLITE_CANTOPEN: "the file cannot be opened: may its folder be written?",
        sqlite3.SQLITE_FULL: "the disk is full",
    }
    if isinstance(error, OSError):
        return StoreUnavailable(f"the file cannot be opened: {error.strerror}")
    return StoreUnavailable(reasons.get(primary_code(error) or 0, "the file cannot be opened"))
