"""Tells what an error of asyncpg, the system or the server means for a batch, and for callers.

A server's text may quote what was written, and is in its own language: only the SQLSTATE is read.
For the same reason no error of these is the cause of one that a caller sees.
"""

from __future__ import annotations

import socket
import ssl

from ...values.errors import StoreUnavailable
from ...values.picklable import Picklable
from .codec import DamagedRow
from .driver import asyncpg

__all__ = [
    "PoolerFound",
    "WrongServer",
    "is_lost",
    "is_pooler_error",
    "is_refused_connection",
    "is_refused_statement",
    "is_storage_error",
    "must_repeat",
    "note_place",
    "refusal",
    "unavailable",
]


class WrongServer(Picklable, Exception):
    """The server, the database or the schema is none for a store; nothing was changed.

    Unless it is `lasting`, another attempt may find another server: the primary after a failover.
    """

    def __init__(self, reason: str, *, lasting: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lasting = lasting


class PoolerFound(WrongServer):
    """Something between the store and the server gives statements to changing connections."""

    def __init__(self) -> None:
        super().__init__(
            "a connection pooler such as PgBouncer is between the store and the server: name the"
            " server itself"
        )


_REPEATED = frozenset({"40001", "40P01"})
"""Serialization failure and deadlock: the transaction was rolled back whole."""

_LOST = frozenset(
    {
        "08000",  # connection exception
        "08001",  # could not connect
        "08003",  # connection does not exist
        "08006",  # connection failure
        "25006",  # read-only transaction: the primary became a standby
        "25P03",  # idle in transaction for too long
        "25P04",  # the transaction took too long
        "53300",  # too many connections
        "57P01",  # shut down, or ended by an administrator
        "57P02",  # another process of the server crashed
        "57P03",  # starting, stopping or recovering
        "57P05",  # idle for too long
    }
)
"""After these the connection is gone or useless, and a new one may find a server that works."""

_POOLER = frozenset(
    {
        "08P01",  # PgBouncer refuses a setting that the store needs
        "26000",  # a prepared statement does not exist: it is on another connection
        "42P05",  # a prepared statement exists: it is another client's
    }
)

_REASONS = {
    "08001": "the server does not accept the connection",
    "08004": "the server refuses the connection",
    "08P01": "the connection is damaged, or what answers is no PostgreSQL server",
    "25006": "the server is read-only: it is a standby, or default_transaction_read_only is on",
    "25P03": "the server ended a transaction (idle_in_transaction_session_timeout)",
    "25P04": "the server ended a transaction (transaction_timeout)",
    "26000": "a prepared statement is gone: a connection pooler is between store and server",
    "28000": "the server refuses the role, or connections from here (pg_hba.conf)",
    "28P01": "the server refuses the role or its password",
    "3D000": "there is no such database",
    "3F000": "the schema is gone",
    "40001": "other transactions were in the way again and again",
    "40P01": "other transactions were in the way again and again (deadlock)",
    "42501": "the role does not have the rights that the store needs",
    "42703": "the tables are not as they were",
    "42P01": "the tables are gone",
    "42P05": "a prepared statement is another client's: a connection pooler is between",
    "53100": "the server's disk is full",
    "53200": "the server is out of memory",
    "53300": (
        "too many connections (max_connections, or a limit of the role or the database): a store"
        " has two, and one more while it watches"
    ),
    "53400": "a limit in the server's configuration is reached",
    "54000": "a value is too large for PostgreSQL, or its queue of notices is full",
    "55000": "the database takes no connections now, or an object of it is not ready",
    "55P03": "another process held a lock for too long (lock_timeout)",
    "57014": "the server canceled a statement: statement_timeout, or an administrator did",
    "57P01": "the server is shutting down, or an administrator ended the connection",
    "57P02": "the server crashed and recovers",
    "57P03": "the server is starting, stopping or recovering",
    "57P04": "the database was dropped",
    "57P05": "the server ended an idle connection (idle_session_timeout)",
    "58030": "the server's disk failed",
    "XX001": "the database is damaged",
    "XX002": "an index of the database is damaged",
}
_CLASSES = {
    "08": "the connection to the server was lost",
    "0A": "the server cannot do what the store needs",
    "22": "the server does not accept a value",
    "23": "the tables hold something that the store did not write",
    "28": "the server refuses the role",
    "42": "the tables are not as they were",
    "53": "the server has no resources left",
    "54": "a value is larger than PostgreSQL takes",
    "55": "an object of the store is in use",
    "57": "the server does not work now",
    "58": "the server's system failed",
    "P0": "a trigger or a function of the database refused it",
    "XX": "the server failed",
}

_SYSTEM_REASONS: dict[type[OSError], str] = {
    TimeoutError: "the server did not answer in time",
    socket.gaierror: "the server's name is not known",
    FileNotFoundError: "the server cannot be reached: its socket does not exist",
    PermissionError: "the server cannot be reached: its socket is not for this user",
    ConnectionRefusedError: "the server cannot be reached: nothing listens at its address",
    ConnectionError: "the connection to the server was lost",
}
_PLACE = "sessionkeeper_place"
# The second where the server's last words have come, and the end of the stream has not.
_CLOSED = ("is closed", "cannot switch to state")
_NO_TLS = "rejected SSL upgrade"


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone or useless, and a new one may find a server that works.

    It says nothing about a `COMMIT` that was sent before: its outcome has to be looked up first.
    """
    if isinstance(error, WrongServer):
        return not error.lasting
    if isinstance(error, asyncpg.PostgresError):
        return error.sqlstate in _LOST
    if isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError)):
        return any(each in str(error) for each in _CLOSED)
    if isinstance(error, ssl.SSLCertVerificationError):
        return False
    # Also where TLS seems to be refused: so looks the answer of a server that is ended meanwhile.
    return isinstance(error, OSError)


def must_repeat(error: BaseException) -> bool:
    """Whether the server rolled the transaction back for another's sake, so that it is repeated.

    Also if a statement was prepared before an administrator changed the type of a column: asyncpg
    prepares it anew the next time.
    """
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        return True
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate in _REPEATED


def is_refused_statement(error: BaseException) -> bool:
    """Whether the server itself said that it did not do what was asked, and goes on."""
    return isinstance(error, asyncpg.PostgresError) and not is_lost(error)


def is_refused_connection(error: BaseException) -> bool:
    """Whether the server has no room for one more connection; those that are there go on."""
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate == "53300"


def is_pooler_error(error: BaseException) -> bool:
    """Whether only a connection pooler gives this error to a first statement."""
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate in _POOLER


def is_storage_error(error: BaseException) -> bool:
    """Whether it comes from the server or the way to it, and is no bug of this library."""
    kinds = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
    return isinstance(error, (*kinds, WrongServer))


def note_place(error: BaseException, place: str) -> None:
    """Note which server an error is about, for `unavailable`."""
    if place and isinstance(error, Exception):
        vars(error)[_PLACE] = place


def unavailable(error: BaseException, *, waited: float | None = None) -> StoreUnavailable:
    """Make the error for callers, with one line as reason. It quotes nothing that was written."""
    place = vars(error).get(_PLACE)
    reason = _reason(error)
    return StoreUnavailable(f"{place}: {reason}" if place else reason, waited=waited)


def refusal(error: Exception) -> StoreUnavailable | None:
    """Return what callers are told for an error of the storage; None for a bug."""
    if isinstance(error, StoreUnavailable):
        return error
    if isinstance(error, DamagedRow):
        return StoreUnavailable(str(error))
    return unavailable(error) if is_storage_error(error) else None


def _reason(error: BaseException) -> str:
    if isinstance(error, asyncpg.PostgresError) and isinstance(
        error.__cause__, asyncpg.PostgresError
    ):
        error = error.__cause__  # asyncpg's own one says less than the server's last words
    if isinstance(error, WrongServer):
        return error.reason
    if isinstance(error, asyncpg.PostgresError):
        code = error.sqlstate or "no SQLSTATE"
        known = _REASONS.get(code) or _CLASSES.get(code[:2]) or "the server refused a statement"
        return f"{known} ({code})"
    if isinstance(error, OSError):
        return _system_reason(error)
    if is_lost(error):
        return "the connection to the server was lost"
    return f"the connection to the server failed ({type(error).__name__})"


def _system_reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not valid: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS with the server failed ({error.reason or type(error).__name__})"
    if isinstance(error, ConnectionError) and _NO_TLS in str(error):
        return "the server does not offer TLS, or is no PostgreSQL server"
    for kind, reason in _SYSTEM_REASONS.items():
        if isinstance(error, kind):
            return reason
    what = error.strerror or "none of its addresses answers"
    return f"the server cannot be reached: {what}"
