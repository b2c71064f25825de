"""The counters and the clock of the whole store: one row of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from math import inf
from pathlib import Path
from sqlite3 import Connection, Cursor
from typing import Any

import msgspec

from ...operations.counters import CounterValues
from ...values.clock import Clock
from .errors import corruption_error

__all__ = [
    "StoreClock",
    "PrincipalCounts",
    "SQLiteCounters",
    "read_data_version",
    "read_meta",
    "decode_counters",
    "encode_counters",
]

_MAXIMUM = 2**62  # no store counts so far; SQLite ends at twice as many
LONGEST_GAP = 86_400.0
"""The most seconds a store ages over a restart of the machine."""


class ClockStamp(msgspec.Struct, array_like=True, gc=False):
    """The store's age at one moment, by both clocks of the machine."""

    boot: str = ""
    """The start of the machine from which the steady clock counts."""
    offset: float = 0.0
    """The store's age minus the steady clock; the same for all processes since that start."""
    wall: float = inf  # of a new store: it was never closed
    steady: float = 0.0


class SQLiteCounters(msgspec.Struct, array_like=True, gc=False):
    """The counters that all processes share."""

    last_number: int = 0
    """The last number of a session; none is used twice."""
    last_position: int = 0
    """The last position in the orders of activity and of ends."""
    values: CounterValues = msgspec.field(default_factory=CounterValues)
    stamp: ClockStamp = msgspec.field(default_factory=ClockStamp)

    @property
    def removed(self) -> int:
        """How many sessions were removed since the store was made."""
        return sum(self.values.removed_sessions.values())


def read_meta(execute: Callable[[str], Cursor]) -> tuple[int, bytes]:
    """Read the version of the file and its counters. Raises `sqlite3.DatabaseError`."""
    found = execute("SELECT version, counters FROM meta").fetchone()
    if found is None or type(found[0]) is not int or type(found[1]) is not bytes:
        raise corruption_error("what the file counts")
    return found[0], found[1]


def read_data_version(execute: Callable[[str], Cursor]) -> int:
    """Read a number of this connection, within a transaction.

    It changes with each commit of any other connection, and with it SQLite drops the pages that it
    holds in memory.
    """
    return int(execute("PRAGMA data_version").fetchone()[0])


def decode_counters(encoded: bytes) -> SQLiteCounters:
    """Read the bytes of `encode_counters`; a new file has none. Raises `sqlite3.DatabaseError`."""
    try:
        counters = _decoder.decode(encoded) if encoded else SQLiteCounters()
    except (msgspec.MsgspecError, ValueError):
        raise corruption_error("what the file counts") from None
    if not (0 <= counters.last_number < _MAXIMUM and 0 <= counters.last_position < _MAXIMUM):
        raise corruption_error("what the file counts")
    return counters


def encode_counters(counters: SQLiteCounters) -> bytes:
    """Make the bytes for the file."""
    return _encoder.encode(counters)


class StoreClock:
    """The steady clock of a store, which outlives processes and starts of the machine.

    While the machine runs it is the machine's steady clock plus an offset, so all processes agree
    and no jump of the wall clock shows. Over a restart only the wall clock can tell how long the
    store was closed. It counts for at most a day, so that a wrong clock ends only sessions that
    could have ended within a day.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._boot = _boot_id()
        self._offset = 0.0

    def now(self) -> float:
        """The store's age in seconds."""
        return self._clock.steady() + self._offset

    def stamp(self) -> ClockStamp:
        """The store's age now, for the file."""
        return ClockStamp(self._boot, self._offset, self._clock.wall(), self._clock.steady())

    def follow(self, stamp: ClockStamp) -> bool:
        """Go on from the stamp in the file; return whether a new one must be written."""
        steady = self._clock.steady()
        if stamp.boot == self._boot and steady >= stamp.steady:
            self._offset = stamp.offset
            return False
        gap = min(max(0.0, self._clock.wall() - stamp.wall), LONGEST_GAP)
        self._offset = stamp.offset + stamp.steady + gap - steady
        return True


class PrincipalCounts(MutableMapping[str, int]):
    """How many sessions each principal has: a table, because there may be as many as sessions.

    `counts.get(principal)` is for a principal that may have none. `counts[principal]` requires a
    row: if there is none, the file is damaged.
    """

    def __init__(self, connection: Connection) -> None:
        self._execute = connection.execute

    def get(self, principal: str, default: Any = None, /) -> Any:
        """Return how many sessions the principal has. Raises `sqlite3.DatabaseError`."""
        if not principal.isascii():
            try:
                principal.encode()
            except UnicodeEncodeError:  # no session has it, and SQLite cannot look for it
                return default
        found = self._execute(
            "SELECT sessions FROM principals WHERE principal = ?", (principal,)
        ).fetchone()
        if found is None:
            return default
        if type(found[0]) is not int or found[0] < 1:
            raise corruption_error("the sessions of a principal")
        return found[0]

    def __getitem__(self, principal: str) -> int:
        found = self.get(principal)
        if found is None:
            raise corruption_error("the sessions of a principal")
        return int(found)

    def __setitem__(self, principal: str, sessions: int) -> None:
        self._execute(
            "INSERT INTO principals (principal, sessions) VALUES (?, ?)"
            " ON CONFLICT (principal) DO UPDATE SET sessions = excluded.sessions",
            (principal, sessions),
        )

    def __delitem__(self, principal: str) -> None:
        self._execute("DELETE FROM principals WHERE principal = ?", (principal,))

    def __iter__(self) -> Iterator[str]:
        for (principal,) in self._execute("SELECT principal FROM principals").fetchall():
            yield principal

    def __len__(self) -> int:
        return int(self._execute("SELECT count(*) FROM principals").fetchone()[0])


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


_decoder = msgspec.msgpack.Decoder(SQLiteCounters)
_encoder = msgspec.msgpack.Encoder()
