"""What an error of SQLite means: for the commands of the batch, and for the store afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from ...values.errors import OutcomeUnknown, StoreClosed, StoreUnavailable
from ...values.ids import new_session_id
from ...values.picklable import Picklable

__all__ = [
    "FAILURES",
    "Fault",
    "FilesChanged",
    "GivenUp",
    "LockWait",
    "corruption_error",
    "judge_error",
    "primary_code",
    "safe_cause",
]

# What can be wrong with the request, or for a while; the next batch may fare better.
_PASSING = {
    sqlite3.SQLITE_BUSY: "another process holds the file's lock",
    sqlite3.SQLITE_LOCKED: "another connection holds a lock",
    sqlite3.SQLITE_PROTOCOL: "another process holds the file's lock",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_TOOBIG: "a value is larger than SQLite takes",
    sqlite3.SQLITE_READONLY: "the file cannot be written",
    sqlite3.SQLITE_PERM: "the file cannot be written",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
}
# What writing on would make worse.
_LASTING = {
    sqlite3.SQLITE_IOERR: "the disk failed",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_NOTADB: "the file is damaged",
    # Two rows for what the counters say is one: nothing that this library wrote.
    sqlite3.SQLITE_CONSTRAINT: "the file is damaged",
    sqlite3.SQLITE_ERROR: "the file is not as it was",
}


FAILURES = (sqlite3.Error, UnicodeDecodeError)
"""What a statement raises; the second where SQLite names a part of a damaged schema."""


class LockWait(Picklable, Exception):
    """Another process held the lock for longer than one waits."""

    def __init__(self, waited: float) -> None:
        super().__init__("could not acquire the lock")
        self.waited = waited


class FilesChanged(Exception):
    """The store's files are not those it opened any more."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class GivenUp(Exception):
    """The store is being closed, and nobody waits for the lock any longer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of a batch that failed."""

    answer: Callable[[], Exception]
    """Makes what each of its callers is told."""
    reason: str | None
    """Why nothing may be written any more; None if the store goes on."""


def corruption_error(what: str) -> sqlite3.DatabaseError:
    """Make the error for a row that SQLite takes for a good one."""
    error = sqlite3.DatabaseError(f"{what} cannot be what was written")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def primary_code(error: BaseException) -> int | None:
    """The result code of an error that a statement raised."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None and isinstance(error, sqlite3.OperationalError | UnicodeDecodeError):
        return sqlite3.SQLITE_CORRUPT  # the module's own: a text that is not UTF-8
    return None if code is None else code & 0xFF


def safe_cause(cause: Exception) -> Exception | None:
    """The cause, if it quotes nothing of what is stored: the module's own quotes a text."""
    own = isinstance(cause, FAILURES) and not hasattr(cause, "sqlite_errorcode")
    return None if own else cause


def judge_error(  # noqa: PLR0911 - a judgement each
    error: Exception, *, committing: bool, writing: bool
) -> Fault | None:
    """Judge the error a batch failed with; None if only a bug can raise it.

    A commit that failed for want of space or of the lock did not happen. After any other failure
    it may stand: what was not known to be synced can still be found in the log after a crash. It
    is never tried again on the same handle: the kernel may have dropped the pages it could not
    write, and a second sync would not tell (the fsync surprise PostgreSQL met in 2018).
    """
    if isinstance(error, LockWait):
        waited = error.waited
        busy = _PASSING[sqlite3.SQLITE_BUSY]
        return Fault(lambda: StoreUnavailable(busy, waited=waited), None)
    if isinstance(error, FilesChanged):
        reason = error.reason
        if committing and writing:
            return Fault(lambda: OutcomeUnknown(new_session_id()), reason)
        return Fault(lambda: StoreUnavailable(reason), reason)
    code = primary_code(error)
    if isinstance(error, GivenUp) or code == sqlite3.SQLITE_INTERRUPT:
        return Fault(StoreClosed, None)
    if code in _PASSING:
        return Fault(_because(StoreUnavailable, error, _PASSING[code]), None)
    if code not in _LASTING:
        return None
    reason = _LASTING[code]
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
