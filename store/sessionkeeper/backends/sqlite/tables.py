"""The primitives on one SQLite file, for the batch under way. No rule is here.

A row is read once in a batch and written once, at its end. Nothing is kept from batch to batch:
another process may have written in between.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence, Set
from contextvars import Context
from pathlib import Path
from typing import cast

from ...interface.listeners import Listeners
from ...operations.counters import StoreCounters
from ...operations.frame_record import FrameRecord
from ...operations.session_row import SessionRow
from ...operations.tables import Tables
from ...values.clock import Clock
from ...values.events import SessionEvent, SessionEventKind
from ...values.ids import is_session_id
from ...values.limits import StoreLimits
from ...values.session import Session
from ...values.states import SessionState
from ...values.statistics import FileStatistics
from .codec import LOG_COLUMNS, SESSION_COLUMNS, SQLiteRow, read_row
from .frames import FrameTable
from .schema import PAGE_BYTES
from .session_orders import BY_ACTIVITY, BY_AGE, BY_END, FirstSessions
from .sqlite_version import library_warnings
from .store_counters import (
    PrincipalCounts,
    SQLiteCounters,
    StoreClock,
    decode_counters,
    encode_counters,
    read_meta,
)

__all__ = ["SQLiteTables"]

_FROM = f"SELECT {SESSION_COLUMNS}, {LOG_COLUMNS} FROM sessions JOIN logs ON session = number"  # noqa: S608 - our columns
_BY_ID = f"{_FROM} WHERE id = ?"
_TOGETHER = 64
_WORTH_IT = 8
_BY_IDS = f"{_FROM} WHERE id IN ({', '.join('?' * _TOGETHER)})"
_BY_NUMBER = f"{_FROM} WHERE number = ?"
_AFTER = f"{_FROM} WHERE number > ? ORDER BY number LIMIT ?"
_KEEP_SESSION = (
    f"INSERT INTO sessions ({SESSION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our columns
    " ON CONFLICT (number) DO UPDATE SET revision = excluded.revision,"
    " created_at = excluded.created_at,"
    " ended_at = excluded.ended_at, over_at = excluded.over_at, state = excluded.state,"
    " principal = excluded.principal, fields = excluded.fields"
)
_KEEP_LOG = (
    f"INSERT INTO logs ({LOG_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our columns
    " ON CONFLICT (session) DO UPDATE SET over = excluded.over, place = excluded.place,"
    " active_at = excluded.active_at, last_activity = excluded.last_activity,"
    " frame_count = excluded.frame_count, last_seq = excluded.last_seq,"
    " byte_count = excluded.byte_count"
)
_FETCHED = 256
_LOGS_A_PAGE = 100
_GREATEST = 2**63 - 1


def _ours(row: SessionRow) -> SQLiteRow:
    return cast("SQLiteRow", row)  # these tables made the row


class SQLiteTables(Tables):
    """What one transaction sees and changes; `load` begins a batch and `save` ends it."""

    def __init__(self, limits: StoreLimits, clock: Clock, listeners: Listeners) -> None:
        self.limits = limits
        self.age = StoreClock(clock)
        self.clock = Clock(wall=clock.wall, steady=self.age.now)
        self._listeners = listeners
        self.events: list[tuple[SessionEvent, Context]] = []
        self.announced: set[str] = set()
        self.numbers = SQLiteCounters()
        self._kept: bytes = b""

    def attach(self, connection: sqlite3.Connection, path: str) -> None:
        """Work on this connection, of the thread that calls."""
        self._execute, self._executemany = connection.execute, connection.executemany
        self._path = path
        self.frames = FrameTable(connection)
        self._first_sessions = FirstSessions(connection)
        self.counters = StoreCounters(PrincipalCounts(connection))
        self.forget()

    def load(self) -> tuple[int, SQLiteCounters]:
        """Read what the store counts, within a transaction; return the file's version with it."""
        version, kept = read_meta(self._execute)
        if kept != self._kept:
            self.numbers = decode_counters(kept)
            self.counters.restore(self.numbers.counters)
            self.age.follow(self.numbers.stamp)
            self._kept = kept
        return version, self.numbers

    def save(self, *, always: bool = False) -> None:
        """Write what the batch changed, and if anything did, the counters."""
        self.frames.flush()
        self._keep()
        if self._changed or always:
            self.numbers.counters = self.counters.numbers()
            self.numbers.stamp = self.age.stamp()
            kept = encode_counters(self.numbers)
            self._execute("UPDATE meta SET numbers = ?", (kept,))
            self._kept = kept

    @property
    def changed(self) -> bool:
        """Whether the batch changed anything."""
        return self._changed

    def forget(self, *, all: bool = True) -> None:
        """Drop what was read; after a rollback also what was counted."""
        self._rows: dict[str, SQLiteRow | None] = {}
        self._by_number: dict[int, SQLiteRow] = {}
        self._dirty: dict[int, SQLiteRow] = {}
        self._first_sessions.forget()
        self._changed = False
        self.events, self.announced = [], set()
        if all:
            self.frames.forget()
            self._kept = b"?"  # no file holds this

    def prefetch(self, session_ids: Set[str]) -> None:
        """Look up rows a batch will ask for, with one question for many."""
        if len(session_ids) < _WORTH_IT:
            return
        wanted = [each for each in session_ids if is_session_id(each)]
        for start in range(0, len(wanted), _TOGETHER):
            some = wanted[start : start + _TOGETHER]
            # Always as many, so that SQLite knows the statement already.
            asked = (*some, *some[:1] * (_TOGETHER - len(some)))
            found = self._execute(_BY_IDS, asked).fetchall()
            self._rows.update(dict.fromkeys(some))
            for columns in found:
                row = self._known(read_row(columns))
                self._rows[row.session.id] = row

    def find(self, session_id: str, /) -> SessionRow | None:
        """Look the row up, in the file once a batch."""
        try:
            return self._rows[session_id]
        except KeyError:
            pass
        row = None
        # What is no id is in no file; a lone surrogate is not even text to SQLite.
        if is_session_id(session_id):
            columns = self._execute(_BY_ID, (session_id,)).fetchone()
            if columns is not None:
                row = self._known(read_row(columns))
        self._rows[session_id] = row
        return row

    def insert(self, session: Session, revision: int, /) -> SessionRow:
        """Add a row, in the file at the end of the batch."""
        self.numbers.last_number += 1
        row = SQLiteRow(
            session,
            number=self.numbers.last_number,
            revision=revision,
            wall=self.clock.wall(),
            steady=self.clock.steady(),
        )
        row.kept_revision, row.over, row.place = 0, False, 0
        self._rows[session.id] = self._by_number[row.number] = row
        self.put(row)
        return row

    def put(self, row: SessionRow, /) -> None:
        """Give the row the last place in the order it belongs in."""
        row = _ours(row)
        if not row.over:
            self._first_sessions.moved(row.number)
            self.numbers.last_place += 1
            row.place = self.numbers.last_place
            row.over = row.ended_at is not None
        self._mark(row)

    def keep(self, row: SessionRow, /) -> None:
        """Write the row at the end of the batch."""
        self._mark(_ours(row))

    def remove(self, row: SessionRow, /) -> None:
        """Remove the row; its frames if they are few, else they get a tombstone."""
        row = _ours(row)
        self.frames.clear(row)
        self._dirty.pop(row.number, None)
        self._by_number.pop(row.number, None)
        self._rows[row.session.id] = None
        self._changed = True
        self._first_sessions.moved(row.number)
        if row.kept_revision:
            self._execute("DELETE FROM sessions WHERE number = ?", (row.number,))
            self._execute("DELETE FROM logs WHERE session = ?", (row.number,))

    def rows(self) -> Iterator[SessionRow]:
        """All rows in order of creation, read in slices."""
        return self.rows_after(0)

    def rows_after(self, number: int, /) -> Iterator[SessionRow]:
        """Rows created after that number; the first one is found at once."""
        self._keep()
        while True:
            found = self._execute(_AFTER, (min(number, _GREATEST), _FETCHED)).fetchall()
            for columns in found:
                number = columns[0]
                yield self._by_number.get(number) or read_row(columns)
            if len(found) < _FETCHED:
                return

    def least_active(self) -> SessionRow | None:
        """The first in the order of activity; an index knows it."""
        return self._first(BY_ACTIVITY)

    def oldest_live(self) -> SessionRow | None:
        """The first in the order of creation that has not ended; an index knows it."""
        return self._first(BY_AGE)

    def oldest_ended(self) -> SessionRow | None:
        """The first in the order of ends; an index knows it."""
        return self._first(BY_END)

    def append(self, row: SessionRow, records: Sequence[FrameRecord], /) -> None:
        """Collect records for the end of the batch."""
        self.frames.append(_ours(row), records)
        self._mark(_ours(row))

    def read(self, row: SessionRow, first: int, count: int, /) -> Sequence[FrameRecord]:
        """Read records by their numbers; O(count), wherever in the log."""
        return self.frames.read(_ours(row), first, count)

    def clear(self, row: SessionRow, /) -> None:
        """Remove the records if they are few, else give them a tombstone."""
        self.frames.clear(_ours(row))
        self._mark(_ours(row))

    def trim(self, row: SessionRow, count: int, /) -> int:
        """Remove the front of the log; O(count)."""
        size = self.frames.trim(_ours(row), count)
        self._mark(_ours(row))
        return size

    def announce(self, session_id: str, /) -> None:
        """Note it; who watches is told after the commit."""
        self.announced.add(session_id)

    def tell(
        self,
        kind: SessionEventKind,
        row: SessionRow,
        before: SessionState | None,
        context: Context,
        /,
    ) -> None:
        """Note it if somebody listens; they are told after the commit, on the loop."""
        if self._listeners:
            self.events.append((SessionEvent(kind, row.snapshot(), before), context))

    def file(self) -> FileStatistics:
        """Ask SQLite and the folder."""
        path, log = Path(self._path), Path(f"{self._path}-wal")
        return FileStatistics(
            bytes=path.stat().st_size if path.exists() else 0,
            log_bytes=log.stat().st_size if log.exists() else 0,
            page_bytes=self._pragma("page_size"),
            pages=self._pragma("page_count"),
            free_pages=self._pragma("freelist_count"),
            library=sqlite3.sqlite_version,
            warnings=library_warnings(),
        )

    def shrink(self, pages: int) -> tuple[int, int]:
        """Give some free pages back; return by how many the file shrinks, and how many are left."""
        before = self._pragma("page_count")
        self._execute(f"PRAGMA incremental_vacuum({pages:d})").fetchall()
        return before - self._pragma("page_count"), self._pragma("freelist_count")

    def _pragma(self, name: str) -> int:
        return int(self._execute(f"PRAGMA {name}").fetchone()[0])

    def _mark(self, row: SQLiteRow) -> None:
        self._dirty[row.number] = row
        self._changed = True

    def _known(self, row: SQLiteRow) -> SQLiteRow:
        """The row of this batch, which may know more than the file."""
        return self._by_number.setdefault(row.number, row)

    def _first(self, order: str) -> SessionRow | None:
        number = self._first_sessions.known(order)
        if number is None:
            self._keep()
            number = self._first_sessions.read(order)
            if number is None:
                return None
        row = self._by_number.get(number)
        if row is None:
            row = self._known(read_row(self._execute(_BY_NUMBER, (number,)).fetchone()))
            self._rows[row.session.id] = row
        return row

    def _keep(self) -> None:
        """Write the rows that changed."""
        if not self._dirty:
            return
        rows = self._dirty.values()
        changed = [row for row in rows if row.kept_revision != row.revision]
        if changed:
            self._executemany(_KEEP_SESSION, [row.session_columns() for row in changed])
            for row in changed:
                row.kept_revision = row.revision
        self._executemany(_KEEP_LOG, [row.log_columns() for row in rows])
        # About: what all batches change, logs of many on pages of their own, a session and its id.
        pages = 8 + 2 * min(len(rows), self.counters.sessions // _LOGS_A_PAGE) + 2 * len(changed)
        self.frames.written += PAGE_BYTES * pages
        self._dirty = {}
