"""Tells what an error of SQLite means for the commands of the batch, and for the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from ...values.errors import OutcomeUnknown, StoreClosed, StoreUnavailable
from ...values.ids import new_session_id
from ...values.picklable import Picklable

__all__ = [
    "FAILURES",
    "DiskNearlyFull",
    "Fault",
    "FilesChanged",
    "GivenUp",
    "LockWait",
    "corruption_error",
    "judge_error",
    "primary_code",
    "safe_cause",
]

# Wrong with the request, or temporary: the next batch may succeed.
_TEMPORARY = {
    sqlite3.SQLITE_BUSY: "another process holds the file's lock",
    sqlite3.SQLITE_LOCKED: "another connection holds a lock",
    sqlite3.SQLITE_PROTOCOL: "another process holds the file's lock",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_TOOBIG: "a value is larger than SQLite takes",
    sqlite3.SQLITE_READONLY: "the file cannot be written",
    sqlite3.SQLITE_PERM: "the file cannot be written",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
}
_NEARLY_FULL = (
    "the disk is full, but for a reserve: delete sessions or frames, or make room on the disk"
)
# Writing on would make it worse.
_PERMANENT = {
    sqlite3.SQLITE_IOERR: "the disk failed",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_NOTADB: "the file is damaged",
    # Two rows where the counters allow one: this library wrote no such thing.
    sqlite3.SQLITE_CONSTRAINT: "the file is damaged",
    sqlite3.SQLITE_ERROR: "the file is not as it was",
}


FAILURES = (sqlite3.Error, UnicodeDecodeError)
"""The errors of a statement; the second when SQLite quotes a damaged schema."""


class LockWait(Picklable, Exception):
    """Another process held the lock for too long."""

    def __init__(self, waited: float) -> None:
        super().__init__("could not acquire the lock")
        self.waited = waited


class FilesChanged(Exception):
    """The store's files are no longer those it opened."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class DiskNearlyFull(Exception):
    """A batch that adds something would leave less than the reserve of the disk."""


class GivenUp(Exception):
    """The store is being closed, so it stopped waiting for the lock."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The consequences of a failed batch."""

    answer: Callable[[], Exception]
    """Makes the error for each caller."""
    reason: str | None
    """Why the store must write nothing any more; None if it goes on."""


def corruption_error(what: str) -> sqlite3.DatabaseError:
    """Make the error for damage that SQLite did not notice."""
    error = sqlite3.DatabaseError(f"{what} cannot be what was written")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def primary_code(error: BaseException) -> int | None:
    """Return the primary result code of an error."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None and isinstance(error, sqlite3.OperationalError | UnicodeDecodeError):
        return sqlite3.SQLITE_CORRUPT  # raised by Python's module: a text is not UTF-8
    return None if code is None else code & 0xFF


def safe_cause(cause: Exception) -> Exception | None:
    """Return the cause if it quotes no stored text, as errors of Python's module do."""
    own = isinstance(cause, FAILURES) and not hasattr(cause, "sqlite_errorcode")
    return None if own else cause


def judge_error(  # noqa: PLR0911 - one return per kind
    error: Exception, *, committing: bool, writing: bool
) -> Fault | None:
    """Judge the error of a failed batch; None if only a bug can raise it.

    A commit that failed because of space or the lock did not happen. After any other failure it may
    have happened: what was not synced can still be found in the log after a crash. A commit is
    never repeated on the same handle: the kernel may have dropped the pages it could not write, and
    a second sync would not report that (the fsync problem of PostgreSQL in 2018).
    """
    if isinstance(error, LockWait):
        waited = error.waited
        busy = _TEMPORARY[sqlite3.SQLITE_BUSY]
        return Fault(lambda: StoreUnavailable(busy, waited=waited), None)
    if isinstance(error, FilesChanged):
        reason = error.reason
        if committing and writing:
            return Fault(lambda: OutcomeUnknown(new_session_id()), reason)
        return Fault(lambda: StoreUnavailable(reason), reason)
    if isinstance(error, DiskNearlyFull):
        return Fault(lambda: StoreUnavailable(_NEARLY_FULL), None)
    code = primary_code(error)
    if isinstance(error, GivenUp) or code == sqlite3.SQLITE_INTERRUPT:
        return Fault(StoreClosed, None)
    if code in _TEMPORARY:
        return Fault(_because(StoreUnavailable, error, _TEMPORARY[code]), None)
    if code not in _PERMANENT:
        return None
    reason = _PERMANENT[code]
    if committing and writing:
        return Fault(lambda: _caused(OutcomeUnknown(new_session_id()), error), reason)
    lasting = writing or code != sqlite3.SQLITE_IOERR
    return Fault(_because(StoreUnavailable, error, reason), reason if lasting else None)


def _because(
    kind: type[StoreUnavailable], error: Exception, reason: str
) -> Callable[[], Exception]:
    return lambda: _caused(kind(reason), error)


def _caused(answer: Exception, cause: Exception) -> Exception:
    answer.__cause__ = safe_cause(cause)
    return answer
