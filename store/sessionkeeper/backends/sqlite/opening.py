"""Opening a store's file: what it must be, what is set, and what is refused untouched.

SQLite alone opens an existing file, never this module: closing a second descriptor of it would
drop the locks of every other connection in this process (sqlite.org, "How To Corrupt", 2.2). Its
log has no locks, and is opened in `certainty`.
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
from urllib.parse import quote

from ...values.errors import StoreUnavailable
from ...values.guarantees import Durability
from .errors import FAILURES, GivenUp, corruption_error, primary_code, told
from .log_resync import resync_wal
from .origin import origin_in_file, origin_seen, settled
from .schema import APPLICATION_ID, NAMES, PAGE_BYTES, VERSION, migrate
from .store_counters import read_meta, read_numbers

__all__ = ["BUSY_SLICE", "connect", "open_file", "open_to_read", "resolved", "sync"]

BUSY_SLICE = 0.05
"""Seconds SQLite waits for a lock at a time; between them one can be told to give up."""

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
_HELD = "another process holds the file's lock"
_NOT_WRITABLE = "the file or its folder cannot be written"
_SYNCHRONOUS = {Durability.DISK: 2, Durability.OS: 1}


def resolved(path: str | os.PathLike[str], /) -> str:
    """The file's own absolute path, so that no spelling of it means anything else to SQLite.

    Raises `TypeError`, `ValueError`.
    """
    text = os.fspath(path)
    if not isinstance(text, str):
        raise TypeError("a path is a str or a path of str")
    if not text or "\0" in text:
        raise ValueError("a path has at least one character, and no NUL")
    return os.path.realpath(text)


def connect(
    path: str, mode: str = "rw", *, timeout: float = BUSY_SLICE, shared: bool = False
) -> sqlite3.Connection:
    """Connect to an existing file; a `shared` connection for any thread. Raises `sqlite3.Error`."""
    # A URI of ours: every character of the path that means something in one is quoted.
    uri = "file:///" + quote(os.fsencode(path.lstrip("/"))) + f"?mode={mode}"
    connection = sqlite3.connect(
        uri,
        uri=True,
        isolation_level=None,
        timeout=timeout,
        cached_statements=256,
        check_same_thread=not shared,
    )
    # On every connection: SQLite's own come inside a commit, when others commit too.
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


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
        raise _refused(error) from error
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
        _look(path)
        _close_to_others(path)
        while not _of_one_piece(path):
            _wait(started, given_up)
        connection = connect(path)
    except (*FAILURES, OSError) as error:
        raise _refused(error) from told(error)
    try:
        while not _prepared(connection, path, durability):
            _wait(started, given_up)
    except BaseException as error:
        connection.close()
        if isinstance(error, (*FAILURES, OSError)):
            raise _refused(error) from told(error)
        raise
    return connection


def _wait(started: float, given_up: Callable[[], bool]) -> None:
    if given_up():
        raise GivenUp
    waited = time.monotonic() - started
    if waited >= _PATIENCE:
        raise StoreUnavailable(_HELD, waited=waited)
    time.sleep(_PAUSE)  # not every busy file is waited for by SQLite


def _of_one_piece(path: str) -> bool:
    """Whether the log is the file's; False if another process holds a lock.

    On a connection that cannot write: one that could would bring a foreign log in as it closes.
    Raises `StoreUnavailable`.
    """
    log = Path(f"{path}-wal")
    if not log.exists() or not log.stat().st_size:
        return True
    try:
        with closing(connect(path, "ro")) as connection:
            pair = settled(lambda: (origin_in_file(connect, path), origin_seen(connection.execute)))
    except sqlite3.OperationalError as error:
        # What cannot be read so is for the connection that can write to say.
        return primary_code(error) != sqlite3.SQLITE_BUSY
    if pair is None:
        raise StoreUnavailable(
            f"the log {log.name} is not the file's: another file was put in the place of the one it"
            " belongs to; put that one back, or remove the log and what it holds"
        )
    return True


def _prepared(connection: sqlite3.Connection, path: str, durability: Durability) -> bool:
    """Make it ready for use, from the beginning; False if another process holds a lock."""
    try:
        _settle(connection, durability)
        resync_wal(connection, path)
        if _pragma(connection, "user_version") < VERSION:
            migrate(connection)
        _check(connection, path)
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
            migrate(connection)
            connection.execute("PRAGMA incremental_vacuum").fetchall()
            connection.execute("PRAGMA journal_mode = WAL")
        sync(new)  # once, before anyone can see it
        with suppress(FileExistsError):  # another process was faster
            os.link(new, path)
    finally:
        os.unlink(new)
    sync(str(folder))  # its name too survives a power cut


def sync(path: str) -> None:
    """Have the disk hold a file nobody has open, or a folder. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _look(path: str) -> None:
    """Refuse what is not ours, without a lock, a log or a change beside it."""
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise StoreUnavailable("not a regular file")
    effective = os.access in os.supports_effective_ids
    if not os.access(path, os.R_OK | os.W_OK, effective_ids=effective):
        raise StoreUnavailable(_NOT_WRITABLE)
    if not found.st_size:
        raise StoreUnavailable("the file is empty, so no store; remove it to have one made")
    with closing(connect(path, "ro&immutable=1")) as connection:
        # A crash while the log was brought in leaves a file shorter than its header says, which
        # the log mends. Without this, which writes nothing, SQLite would call it malformed.
        connection.execute("PRAGMA writable_schema = ON")
        whose = _pragma(connection, "application_id")
        version = _pragma(connection, "user_version")
    if whose != APPLICATION_ID:
        raise StoreUnavailable("the file is a database, but not a store's")
    if version > VERSION:
        raise _newer(version)


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
    if _pragma(connection, name) != value:
        raise StoreUnavailable(f"SQLite does not take the setting {name}")


def _check(connection: sqlite3.Connection, path: str) -> None:
    """Look at a few pages; a look at all of them takes as long as reading the file."""
    version = _pragma(connection, "user_version")
    if version > VERSION:  # in the log, where `_look` does not see it
        raise _newer(version)
    rows = connection.execute("SELECT type, name FROM sqlite_master").fetchall()
    names: set[str] = {name for _, name in rows if not name.startswith("sqlite_")}
    # A trigger or a view would run with what we write: ours has none.
    if sorted(names) != sorted(NAMES) or not {kind for kind, _ in rows} <= {"table", "index"}:
        raise StoreUnavailable("the file's tables are not a store's")
    if not os.path.exists(f"{path}-wal") or not os.path.getsize(f"{path}-wal"):
        pages = _pragma(connection, "page_count")
        if os.path.getsize(path) < pages * _pragma(connection, "page_size"):
            raise StoreUnavailable("the file is damaged: its end is missing")
    # The way down to both ends of each tree.
    for table, key in (("sessions", "number"), ("logs", "session"), ("frames", "key")):
        for order in ("ASC", "DESC"):
            connection.execute(f"SELECT * FROM {table} ORDER BY {key} {order} LIMIT 1").fetchall()  # noqa: S608 - ours
    _check_numbers(connection)


def _check_numbers(connection: sqlite3.Connection) -> None:
    """Refuse counters that are behind the rows: a number used again would overwrite a session."""
    used = [
        connection.execute(query).fetchone()[0] or 0
        for query in (
            "SELECT max(number) FROM sessions",
            "SELECT max(place) FROM logs WHERE over = 0",
            "SELECT max(place) FROM logs WHERE over = 1",
        )
    ]
    # After those: meanwhile other processes only count on.
    numbers = read_numbers(read_meta(connection.execute)[1])
    sound = all(type(each) is int for each in used)
    if not sound or used[0] > numbers.last_number or max(used[1:]) > numbers.last_place:
        raise corruption_error("what the file counts")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def _newer(version: int) -> StoreUnavailable:
    return StoreUnavailable(f"the file is of version {version}, newer than {VERSION}")


def _refused(error: Exception) -> StoreUnavailable:
    reasons = {
        sqlite3.SQLITE_NOTADB: "the file is no database",
        sqlite3.SQLITE_CORRUPT: "the file is damaged",
        sqlite3.SQLITE_CONSTRAINT: "the file is damaged",
        sqlite3.SQLITE_ERROR: "the file is not as it was",
        sqlite3.SQLITE_BUSY: _HELD,
        sqlite3.SQLITE_READONLY: _NOT_WRITABLE,
        sqlite3.SQLITE_CANTOPEN: "the file cannot be opened: may its folder be written?",
        sqlite3.SQLITE_FULL: "the disk is full",
    }
    if isinstance(error, OSError):
        return StoreUnavailable(f"the file cannot be opened: {error.strerror}")
    return StoreUnavailable(reasons.get(primary_code(error) or 0, "the file cannot be opened"))
