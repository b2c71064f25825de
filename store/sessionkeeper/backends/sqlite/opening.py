"""Opening a store's file: what is made, what is set, and what is refused untouched.

See `validation` for what a file must be, and `log_resync` for what is done to its log.
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
from .validation import LOCK_HELD, check_tables, is_of_one_piece, refusal, refuse_foreign_file

__all__ = ["open_file", "open_to_read"]

_OLDEST = (3, 31, 0)  # the first with trusted_schema

_SETTINGS: dict[str, int] = {
    "foreign_keys": 1,
    "trusted_schema": 0,
    "cell_size_check": 1,
    "fullfsync": 1,  # only macOS knows a difference
    "checkpoint_fullfsync": 1,
    "temp_store": 2,
    "journal_size_limit": 64 * 1024 * 1024,
    # Checkpoints are the owner's: SQLite's own hide their errors.
    "wal_autocheckpoint": 0,
}
_PATIENCE = 5.0  # seconds for a lock, while opening
_PAUSE = 0.01
_SYNCHRONOUS = {Durability.DISK: 2, Durability.OS: 1}


def open_file(
    path: str, durability: Durability, given_up: Callable[[], bool] = lambda: False
) -> sqlite3.Connection:
    """Open the store in this file, made if it is not there.

    Raises `StoreUnavailable` with the reason, `GivenUp` where a lock is waited for and nobody wants
    it any more; a file that is not ours, of a newer version, or damaged is left as it was.
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
    """Open an existing store; what is written on the connection fails. Raises as `open_file`."""
    connection = _open(path, durability, given_up)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _open(path: str, durability: Durability, given_up: Callable[[], bool]) -> sqlite3.Connection:
    started = time.monotonic()
    try:
        refuse_foreign_file(path)
        _close_to_others(path)
        while not is_of_one_piece(path):
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
    time.sleep(_PAUSE)  # not every busy file is waited for by SQLite


def _prepared(connection: sqlite3.Connection, path: str, durability: Durability) -> bool:
    """Make it ready for use, from the beginning; False if another process holds a lock."""
    try:
        _settle(connection, durability)
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
    """Make the file whole beside its place and link it there: nobody ever sees half of one."""
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
        sync(new)  # once, before anyone can see it
        with suppress(FileExistsError):  # another process was faster
            os.link(new, path)
    finally:
        os.unlink(new)
    sync(str(folder))  # its name too survives a power cut


def _close_to_others(path: str) -> None:
    # The log and its index take over the mode of the file when SQLite makes them.
    for each in (path, f"{path}-wal", f"{path}-shm"):
        with suppress(FileNotFoundError, PermissionError):
            mode = stat.S_IMODE(os.stat(each).st_mode)
            if mode & 0o077:
                os.chmod(each, mode & 0o700)  # one that is only to be read stays so


def _settle(connection: sqlite3.Connection, durability: Durability) -> None:
    """Set what matters and read it back: the defaults differ from build to build."""
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreUnavailable("the file cannot have a write-ahead log where it lies")
    # What is deleted is overwritten where that costs no further page.
    _set(connection, "secure_delete", 2, "FAST")
    for name, value in (*_SETTINGS.items(), ("synchronous", _SYNCHRONOUS[durability])):
        _set(connection, name, value)


def _set(connection: sqlite3.Connection, name: str, value: int, word: str = "") -> None:
    connection.execute(f"PRAGMA {name} = {word or value}").fetchall()
    if pragma(connection, name) != value:
        raise StoreUnavailable(f"SQLite does not take the setting {name}")
