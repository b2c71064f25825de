"""The primitives on one SQLite file, for one batch at a time. No rule is here.

A batch reads a row at most once and writes it once, at its end. Rows are used again by the next
batch only if no other connection has committed anything in between.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence, Set
from contextvars import Context
from pathlib import Path
from typing import cast

from ...interface.listeners import Listeners
from ...operations.counters import StoreCounters
from ...operations.frame_record import FrameRecord, NumberedRecords
from ...operations.newest_first import Place, newest_first
from ...operations.session_row import SessionRow
from ...operations.tables import Tables
from ...values.clock import Clock
from ...values.events import SessionEvent, SessionEventKind
from ...values.ids import is_session_id
from ...values.limits import StoreLimits
from ...values.query import WantedFrames
from ...values.session import Session
from ...values.states import SessionState
from ...values.statistics import FileStatistics
from .activity import ActivityIndex, Dated
from .codec import LOG_COLUMNS, SESSION_COLUMNS, SQLiteRow, read_row
from .first_sessions import BY_ACTIVITY, BY_AGE, BY_END, BY_EXPIRY, FirstSessions
from .frames import FrameTable
from .many_rows import ManyRows
from .row_cache import RowCache
from .schema import PAGE_BYTES
from .sqlite_version import library_warnings
from .store_counters import (
    PrincipalCounts,
    SQLiteCounters,
    StoreClock,
    decode_counters,
    encode_counters,
    read_data_version,
    read_meta,
)

__all__ = ["SQLiteTables"]

_FROM = f"SELECT {SESSION_COLUMNS}, {LOG_COLUMNS} FROM sessions JOIN logs ON session = number"  # noqa: S608 - our columns
_BY_ID = f"{_FROM} WHERE id = ?"
_IDS_A_QUERY = 64
_MIN_PREFETCHED = 8
_BY_IDS = f"{_FROM} WHERE id IN ({', '.join('?' * _IDS_A_QUERY)})"
_BY_NUMBER = f"{_FROM} WHERE number = ?"
_AFTER = f"{_FROM} WHERE number > ? ORDER BY number LIMIT ?"
_WRITE_SESSION = (
    f"INSERT INTO sessions ({SESSION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our columns
    " ON CONFLICT (number) DO UPDATE SET revision = excluded.revision,"
    " created_at = excluded.created_at,"
    " ended_at = excluded.ended_at, steady_ended_at = excluded.steady_ended_at,"
    " state = excluded.state, principal = excluded.principal, fields = excluded.fields,"
    " expires_at = excluded.expires_at"
)
_WRITE_LOG = ManyRows(
    "logs",
    LOG_COLUMNS,
    conflict=" ON CONFLICT (session) DO UPDATE SET ended = excluded.ended,"
    " position = excluded.position,"
    " steady_active_at = excluded.steady_active_at, last_activity = excluded.last_activity,"
    " frame_count = excluded.frame_count, last_seq = excluded.last_seq,"
    " byte_count = excluded.byte_count, odd_frames = excluded.odd_frames,"
    " gap_frames = excluded.gap_frames",
)
_ROWS_A_QUERY = 256
_LOGS_A_PAGE = 100
_GREATEST = 2**63 - 1


def _ours(row: SessionRow) -> SQLiteRow:
    return cast("SQLiteRow", row)  # these tables made the row


class SQLiteTables(Tables):
    """What one transaction reads and changes: `load` begins a batch, and `save` ends it."""

    def __init__(self, limits: StoreLimits, clock: Clock, listeners: Listeners) -> None:
        self.limits = limits
        self.age = StoreClock(clock)
        self.clock = Clock(wall=clock.wall, steady=self.age.now)
        self._listeners = listeners
        self.events: list[tuple[SessionEvent, Context]] = []
        self.announced: set[str] = set()
        self.stored_counters = SQLiteCounters()
        self._encoded_counters: bytes = b""

    def attach(self, connection: sqlite3.Connection, path: str) -> None:
        """Work on this connection, of the thread that calls."""
        self._connection = connection
        self._execute, self._executemany = connection.execute, connection.executemany
        self._path = path
        self.frames = FrameTable(connection)
        self._first_sessions = FirstSessions(connection)
        self._activity = ActivityIndex(connection)
        self._cache = RowCache()
        self.counters = StoreCounters(PrincipalCounts(connection))
        self.forget()

    def load(self) -> tuple[int, SQLiteCounters]:
        """Read the file's version and counters, within a transaction."""
        version, encoded = read_meta(self._execute)
        self._data_version = read_data_version(self._execute)
        self._cache.begin((version, encoded, self._data_version))
        self._version = version
        if encoded != self._encoded_counters:
            self.stored_counters = decode_counters(encoded)
            self.counters.restore(self.stored_counters.values)
            self.age.follow(self.stored_counters.stamp)
            self._encoded_counters = encoded
        return version, self.stored_counters

    def save(self, *, always: bool = False) -> None:
        """Write what the batch changed; the counters too if it changed anything."""
        self.frames.flush()
        self._write_rows()
        if self._changed or always:
            self.stored_counters.values = self.counters.values()
            self.stored_counters.stamp = self.age.stamp()
            encoded = encode_counters(self.stored_counters)
            self._execute("UPDATE meta SET counters = ?", (encoded,))
            self._encoded_counters = encoded

    @property
    def changed(self) -> bool:
        """Whether the batch changed anything."""
        return self._changed

    def committed(self) -> None:
        """End a batch after its commit, and keep its rows for the next one."""
        self._end()
        # A commit of this connection leaves the data version as it is.
        self._cache.keep((self._version, self._encoded_counters, self._data_version))

    def forget(self) -> None:
        """Drop everything of the batch and of those before: it was not committed, or who knows."""
        self._end()
        self._cache.forget()
        self.frames.forget()
        self._encoded_counters = b"?"  # no file holds this

    def _end(self) -> None:
        self._dirty: dict[int, SQLiteRow] = {}
        self._first_sessions.forget()
        self._changed = False
        self.events, self.announced = [], set()

    def prefetch(self, session_ids: Set[str]) -> None:
        """Read the rows a batch will ask for, many with one query."""
        cached = self._cache.by_id
        wanted = [each for each in session_ids if each not in cached and is_session_id(each)]
        if len(wanted) < _MIN_PREFETCHED:
            return
        for start in range(0, len(wanted), _IDS_A_QUERY):
            some = wanted[start : start + _IDS_A_QUERY]
            # Always the same number of ids, so that SQLite has the statement prepared.
            parameters = (*some, *some[:1] * (_IDS_A_QUERY - len(some)))
            found = self._execute(_BY_IDS, parameters).fetchall()
            self._cache.by_id.update(dict.fromkeys(some))
            for columns in found:
                self._cache.add(read_row(columns))

    def find(self, session_id: str, /) -> SessionRow | None:
        """Find the row; a batch reads it at most once in the file."""
        try:
            return self._cache.by_id[session_id]
        except KeyError:
            pass
        # SQLite takes no lone surrogate for text, and no such id is in a file.
        if is_session_id(session_id):
            columns = self._execute(_BY_ID, (session_id,)).fetchone()
            if columns is not None:
                return self._cache.add(read_row(columns))
        self._cache.by_id[session_id] = None
        return None

    def insert(self, session: Session, incarnation: str, revision: int, /) -> SessionRow:
        """Add a row, in the file at the end of the batch."""
        self.stored_counters.last_number += 1
        row = SQLiteRow(
            session,
            incarnation=incarnation,
            number=self.stored_counters.last_number,
            revision=revision,
            wall=self.clock.wall(),
            steady=self.clock.steady(),
        )
        row.stored_revision, row.stored_bytes, row.ended, row.position = 0, 0, False, 0
        self._cache.add(row)
        self.put(row)
        return row

    def put(self, row: SessionRow, /) -> None:
        """Give the row the last position in its order."""
        row = _ours(row)
        if not row.ended:
            self._first_sessions.drop(row.number)
            self.stored_counters.last_position += 1
            row.position = self.stored_counters.last_position
            row.ended = row.ended_at is not None
        self._mark(row)

    def keep(self, row: SessionRow, /) -> None:
        """Write the row at the end of the batch."""
        self._mark(_ours(row))

    def note_expiry(self, row: SessionRow, /) -> None:
        """Do nothing: an index of the file keeps the order."""

    def remove(self, row: SessionRow, /) -> None:
        """Remove the row, and its frames if they are few; many get a tombstone."""
        row = _ours(row)
        self.frames.clear(row)
        self._dirty.pop(row.number, None)
        self._cache.remove(row)
        self._changed = True
        self._first_sessions.drop(row.number)
        if row.stored_revision:
            self._execute("DELETE FROM sessions WHERE number = ?", (row.number,))
            self._execute("DELETE FROM logs WHERE session = ?", (row.number,))

    def rows(self) -> Iterator[SessionRow]:
        """All rows in order of creation, read in slices."""
        return self.rows_after(0)

    def rows_after(self, number: int, /) -> Iterator[SessionRow]:
        """Rows created after that number; the first one is found at once."""
        self._write_rows()
        while True:
            found = self._execute(_AFTER, (min(number, _GREATEST), _ROWS_A_QUERY)).fetchall()
            for columns in found:
                number = columns[0]
                yield self._cache.by_number.get(number) or read_row(columns)
            if len(found) < _ROWS_A_QUERY:
                return

    def rows_by_activity(self, after: Place | None, /) -> Iterator[SessionRow]:
        """Both orders of the file, merged; the first row is found at once."""
        self._write_rows()
        until = None if after is None else after[0]
        live = self._activity.live(until, self.stored_counters.last_position)
        orders = live, self._activity.ended(until)
        return newest_first(after, *map(self._dated_rows, orders))

    def least_active(self) -> SessionRow | None:
        """The first in the order of activity; an index knows it."""
        return self._first(BY_ACTIVITY)

    def oldest_live(self) -> SessionRow | None:
        """The first in the order of creation that has not ended; an index knows it."""
        return self._first(BY_AGE)

    def first_to_expire(self) -> SessionRow | None:
        """The first in the order of `expires_at`; an index knows it."""
        return self._first(BY_EXPIRY)

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

    def read_stream(
        self,
        row: SessionRow,
        stream: str,
        first: int,
        last: int,
        limit: int | None,
        /,
        *,
        newest: bool,
    ) -> NumberedRecords:
        """Read the records of a stream; O(what is returned)."""
        return self.frames.read_stream(_ours(row), stream, first, last, limit, newest=newest)

    def search(
        self, row: SessionRow, wanted: WantedFrames, first: int, last: int, limit: int, /
    ) -> tuple[NumberedRecords, int]:
        """Search in the file; only what is found is brought here."""
        return self.frames.search(_ours(row), wanted, first, last, limit)

    def count_stream(self, row: SessionRow, stream: str, /) -> int:
        """Count in the index; O(records of the stream)."""
        return self.frames.count_stream(_ours(row), stream)

    def replace(self, row: SessionRow, records: Mapping[int, FrameRecord], /) -> None:
        """Write over the rows of these records; O(records)."""
        self.frames.replace(_ours(row), records)
        self._mark(_ours(row))

    def clear(self, row: SessionRow, /) -> None:
        """Remove the records if they are few; many get a tombstone."""
        self.frames.clear(_ours(row))
        self._mark(_ours(row))

    def trim(self, row: SessionRow, count: int, /) -> int:
        """Remove the front of the log; O(count)."""
        size = self.frames.trim(_ours(row), count)
        self._mark(_ours(row))
        return size

    def announce(self, session_id: str, /) -> None:
        """Note it; watchers are notified after the commit."""
        self.announced.add(session_id)

    def tell(
        self,
        kind: SessionEventKind,
        row: SessionRow,
        before: SessionState | None,
        context: Context,
        /,
    ) -> None:
        """Note it if there are listeners; they are called after the commit, on the loop."""
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
        """Free some pages; return how many pages the file lost, and how many are still free."""
        before = self._pragma("page_count")
        self._execute(f"PRAGMA incremental_vacuum({pages:d})").fetchall()
        return before - self._pragma("page_count"), self._pragma("freelist_count")

    def _pragma(self, name: str) -> int:
        return int(self._execute(f"PRAGMA {name}").fetchone()[0])

    def _mark(self, row: SQLiteRow) -> None:
        self._dirty[row.number] = row
        self._changed = True

    def _dated_rows(self, order: Iterator[Dated]) -> Iterator[tuple[float, SessionRow]]:
        for moment, columns in order:
            yield moment, self._cache.by_number.get(columns[0]) or read_row(columns)

    def _first(self, order: str) -> SessionRow | None:
        number = self._first_sessions.cached(order)
        if number is None:
            self._write_rows()
            number = self._first_sessions.read(order)
            if number is None:
                return None
        row = self._cache.by_number.get(number)
        if row is None:
            row = self._cache.add(read_row(self._execute(_BY_NUMBER, (number,)).fetchone()))
        return row

    def _write_rows(self) -> None:
        """Write the rows that changed."""
        if not self._dirty:
            return
        rows = self._dirty.values()
        changed = [row for row in rows if row.stored_revision != row.revision]
        if changed:
            self._executemany(_WRITE_SESSION, [row.session_columns() for row in changed])
            for row in changed:
                row.stored_revision = row.revision
                self._cache.weigh(row.stored_bytes)
        _WRITE_LOG.insert(self._connection, [row.log_columns() for row in rows])
        # Estimated: pages of every batch, of the logs, and of changed sessions and their ids.
        pages = 8 + 2 * min(len(rows), self.counters.sessions // _LOGS_A_PAGE) + 2 * len(changed)
        self.frames.written += PAGE_BYTES * pages
        self._dirty = {}
