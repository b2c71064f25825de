"""What a store counts as a whole, and how old it is: one row of the file."""

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
    "read_meta",
    "decode_counters",
    "encode_counters",
]

_MAXIMUM = 2**62  # no store gets so far; SQLite ends at twice as many
LONGEST_GAP = 86_400.0
"""Seconds a store can age while nobody can tell how long it was closed."""


class ClockStamp(msgspec.Struct, array_like=True, gc=False):
    """A moment of the store's age, by both clocks of the machine."""

    boot: str = ""
    """Which start of the machine the steady clock counts from."""
    offset: float = 0.0
    """The store's age less the steady clock; the same for every process since that start."""
    wall: float = inf  # of a new store: nothing to bridge
    steady: float = 0.0


class SQLiteCounters(msgspec.Struct, array_like=True, gc=False):
    """The counters no two processes may disagree on."""

    last_number: int = 0
    """Of creation; none is used twice."""
    last_place: int = 0
    """In the orders of activity and of ends."""
    counters: CounterValues = msgspec.field(default_factory=CounterValues)
    stamp: ClockStamp = msgspec.field(default_factory=ClockStamp)

    @property
    def gone(self) -> int:
        """How many sessions were removed since the store began."""
        return sum(self.counters.gone.values())


def read_meta(execute: Callable[[str], Cursor]) -> tuple[int, bytes]:
    """Read the version of the file, and what it counts. Raises `sqlite3.DatabaseError`."""
    found = execute("SELECT version, numbers FROM meta").fetchone()
    if found is None or type(found[0]) is not int or type(found[1]) is not bytes:
        raise corruption_error("what the file counts")
    return found[0], found[1]


def decode_counters(kept: bytes) -> SQLiteCounters:
    """Read the bytes of `encode_counters`; a new file has none. Raises `sqlite3.DatabaseError`."""
    try:
        numbers = _decoder.decode(kept) if kept else SQLiteCounters()
    except (msgspec.MsgspecError, ValueError):
        raise corruption_error("what the file counts") from None
    if not (0 <= numbers.last_number < _MAXIMUM and 0 <= numbers.last_place < _MAXIMUM):
        raise corruption_error("what the file counts")
    return numbers


def encode_counters(numbers: SQLiteCounters) -> bytes:
    """Make the bytes to be kept."""
    return _encoder.encode(numbers)


class StoreClock:
    """The steady clock of a store, which outlives processes and starts of the machine.

    While the machine runs it is the machine's own steady clock, shifted, so all processes agree
    and no jump of the wall clock shows. Over a restart only the wall clock can tell how long the
    store was closed; it is believed between nothing and a day, so that a wrong one ends no session
    but such as might have ended in a day.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._boot = _boot_id()
        self._offset = 0.0

    def now(self) -> float:
        """The store's age in seconds."""
        return self._clock.steady() + self._offset

    def stamp(self) -> ClockStamp:
        """This moment, to be written down."""
        return ClockStamp(self._boot, self._offset, self._clock.wall(), self._clock.steady())

    def follow(self, stamp: ClockStamp) -> bool:
        """Go on from what was written down; say whether that needs to be written anew."""
        steady = self._clock.steady()
        if stamp.boot == self._boot and steady >= stamp.steady:
            self._offset = stamp.offset
            return False
        gap = min(max(0.0, self._clock.wall() - stamp.wall), LONGEST_GAP)
        self._offset = stamp.offset + stamp.steady + gap - steady
        return True


class PrincipalCounts(MutableMapping[str, int]):
    """How many sessions each principal has: a table, since there may be as many as sessions.

    `get` looks for one that may have none. Subscribing is for one that has some: its row is there,
    or the file is damaged.
    """

    def __init__(self, connection: Connection) -> None:
        self._execute = connection.execute

    def get(self, principal: str, default: Any = None, /) -> Any:
        """Return how many sessions it has. Raises `sqlite3.DatabaseError`."""
        if not principal.isascii():
            try:
                principal.encode()
            except UnicodeEncodeError:  # nobody's, and nothing SQLite could look for
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
