"""Opens a store's file, or makes it, and refuses other files without changing them.

See `validation` for the checks, and `log_resync` for the treatment of the log.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from ...values.errors import StoreUnavailable
from ...values.guarantees import Durability
from .errors import FAILURES, GivenUp, primary_code, safe_cause
from .log_resync import resync_wal
from .raw_connection import BUSY_SLICE, connect, pragma, sync
from .schema import PAGE_BYTES, VERSION
from .upgrades import make_current
from .validation import LOCK_HELD, check_tables, has_own_log, refusal, refuse_foreign_file

__all__ = ["open_file", "open_to_read"]

_OLDEST = (3, 31, 0)  # the first version with trusted_schema

_SETTINGS: dict[str, int] = {
    "foreign_keys": 1,
    "trusted_schema": 0,
    "cell_size_check": 1,
    "fullfsync": 1,  # differs only on macOS
    "checkpoint_fullfsync": 1,
    "temp_store": 2,
    "journal_size_limit": 64 * 1024 * 1024,
    # The owner makes checkpoints: SQLite's own hide their errors.
    "wal_autocheckpoint": 0,
}
_PATIENCE = 5.0  # seconds for a lock, while opening
_PAUSE = 0.01
_SYNCHRONOUS = {Durability.DISK: 2, Durability.OS: 1}


def open_file(
    path: str, durability: Durability, given_up: Callable[[], bool] = lambda: False
) -> sqlite3.Connection:
    """Open the store in this file; make the file if it does not exist.

    Raises `StoreUnavailable` with the reason, and `GivenUp` if `given_up` is true while it waits
    for a lock. A foreign, newer or damaged file is left unchanged.
    """
    if sqlite3.sqlite_version_info < _OLDEST:
        raise StoreUnavailable("SQLite 3.31 or newer is needed")
    try:
        if not os.path.lexists(path):
            _refuse_log_alone(path)
            _create(path)
    except (sqlite3.Error, OSError) as error:
        raise refusal(error) from error
    return _open(path, durability, given_up)


def open_to_read(
    path: str, durability: Durability, given_up: Callable[[], bool] = lambda: False
) -> sqlite3.Connection:
    """Open an existing store for reading; writes fail. Raises as `open_file`."""
    connection = _open(path, durability, given_up)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _open(path: str, durability: Durability, given_up: Callable[[], bool]) -> sqlite3.Connection:
    started = time.monotonic()
    try:
        refuse_foreign_file(path)
        _restrict_access(path)
        while not has_own_log(path):
            _wait(started, given_up)
        connection = connect(path)
    except (*FAILURES, OSError) as error:
        raise refusal(error) from safe_cause(error)
    try:
        while not _prepared(connection, path, durability):
            _wait(started, given_up)
    except BaseException as error:
        connection.close()
        if isinstance(error, (*FAILURES, OSError)):
            raise refusal(error) from safe_cause(error)
        raise
    return connection


def _wait(started: float, given_up: Callable[[], bool]) -> None:
    if given_up():
        raise GivenUp
    waited = time.monotonic() - started
    if waited >= _PATIENCE:
        raise StoreUnavailable(LOCK_HELD, waited=waited)
    time.sleep(_PAUSE)  # SQLite itself does not wait for every busy file


def _prepared(connection: sqlite3.Connection, path: str, durability: Durability) -> bool:
    """Prepare the connection; False if another process holds a lock, to begin again."""
    try:
        _apply_settings(connection, durability)
        resync_wal(connection, path)
        if pragma(connection, "user_version") < VERSION:
            make_current(connection)
        check_tables(connection, path)
        _set(connection, "busy_timeout", int(BUSY_SLICE * 1000))
    except sqlite3.OperationalError as error:
        if primary_code(error) != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


def _refuse_log_alone(path: str) -> None:
    log = Path(f"{path}-wal")
    if log.exists() and log.stat().st_size and not os.path.lexists(path):
        raise StoreUnavailable(
            f"the file is gone, but its log {log.name} is there, and holds what was written last:"
            " bring the file back, or remove the log as well"
        )


def _create(path: str) -> None:
    """Make the file completely under another name, then link it: no process sees a partial file."""
    folder = Path(path).parent
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        with suppress(FileExistsError):
            missing.mkdir(mode=0o700)
    new = f"{path}.{secrets.token_hex(8)}.new"
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    try:
        with closing(connect(new)) as connection:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA synchronous = OFF")
            make_current(connection)
            connection.execute("PRAGMA incremental_vacuum").fetchall()
            connection.execute("PRAGMA journal_mode = WAL")
        sync(new)  # once, before another process can see it
        with suppress(FileExistsError):  # another process made it first
            os.link(new, path)
    finally:
        os.unlink(new)
    sync(str(folder))  # so that its name survives a power cut


def _restrict_access(path: str) -> None:
    # SQLite gives the log and its index the mode of the file.
    for each in (path, f"{path}-wal", f"{path}-shm"):
        with suppress(FileNotFoundError, PermissionError):
            mode = stat.S_IMODE(os.stat(each).st_mode)
            if mode & 0o077:
                os.chmod(each, mode & 0o700)  # a read-only file stays so


def _apply_settings(connection: sqlite3.Connection, durability: Durability) -> None:
    """Set the important settings and read them back: defaults differ between builds."""
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreUnavailable("the file cannot have a write-ahead log where it lies")
    # Overwrite deleted data where that writes no further page.
    _set(connection, "secure_delete", 2, "FAST")
    for name, value in (*_SETTINGS.items(), ("synchronous", _SYNCHRONOUS[durability])):
        _set(connection, name, value)


def _set(connection: sqlite3.Connection, name: str, value: int, word: str = "") -> None:
    connection.execute(f"PRAGMA {name} = {word or value}").fetchall()
    if pragma(connection, name) != value:
        raise StoreUnavailable(f"SQLite does not take the setting {name}")
