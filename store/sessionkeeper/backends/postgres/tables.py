"""The primitives on a PostgreSQL database, for one batch at a time. No rule is here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextvars import Context
from typing import cast

from ...interface.listeners import Listeners
from ...operations.counters import CounterValues
from ...operations.frame_record import FrameRecord, NumberedRecords
from ...operations.newest_first import Place, newest_first
from ...operations.session_row import SessionRow
from ...operations.tables import Tables
from ...values.clock import Clock
from ...values.events import SessionEvent, SessionEventKind
from ...values.limits import StoreLimits
from ...values.query import WantedFrames
from ...values.session import Session
from ...values.states import SessionState
from .codec import DamagedRow, PostgresRow
from .connection import PostgresConnection, Record
from .counters import PostgresCounters, decode_values, difference, sum_values
from .frames import FrameTable
from .orders import BY_ACTIVITY, BY_AGE, BY_END, BY_EXPIRY, FirstSessions, read_by_activity
from .rows import READ_ROWS, RowTable, make_row
from .schema import REVISIONS_A_DRAW

__all__ = ["PostgresTables"]

_AFTER = f"{READ_ROWS} WHERE number > $1 ORDER BY number LIMIT $2"
_REMOVE = "WITH log AS (DELETE FROM logs WHERE session = $1) DELETE FROM sessions WHERE number = $1"
_READ_COUNTERS = "SELECT counters FROM writers"
_READ_OWN = "SELECT sessions FROM principals WHERE principal = $1"
_ROWS_A_QUERY = 256
_GREATEST = 2**63 - 1


def _ours(row: SessionRow) -> PostgresRow:
    return cast("PostgresRow", row)  # these tables made the row


class PostgresTables(Tables):
    """What one transaction reads and changes.

    With `locks`, rows are locked before they are read. The counters of the whole store are read
    only if something asks for them and the batch has locked the store, or only reads.
    """

    def __init__(
        self,
        connection: PostgresConnection,
        limits: StoreLimits,
        clock: Clock,
        listeners: Listeners,
        *,
        locks: bool,
    ) -> None:
        self.limits = limits
        self.clock = clock
        self.connection = connection
        self._listeners = listeners
        self._locks = locks
        self.rows_of_batch = RowTable(connection)
        self.frames = FrameTable(connection)
        self._first_sessions = FirstSessions(connection, self.rows_of_batch.flush)
        self._counters = PostgresCounters(self._draw_revisions, self._read_own_sessions)
        self.last_number = 0
        """The number of the session that was created last; right while the store is locked."""
        self._end()

    def _end(self) -> None:
        self._first_sessions.forget()
        self.changed = False
        """Whether the batch changed anything."""
        self.created = False
        """Whether it created a session."""
        self._counters_before: CounterValues | None = None
        self._counters.own_sessions.clear()
        self.events: list[tuple[SessionEvent, Context]] = []
        self.announced: set[str] = set()

    @property
    def counters(self) -> PostgresCounters:  # type: ignore[override]  # read when asked for
        """Those of the store, or those that `begin_counting` was given."""
        if self._counters_before is None:
            found = self.connection.fetch(_READ_COUNTERS)
            self.begin_counting(sum_values(decode_values(each[0]) for each in found))
        return self._counters

    def begin_counting(self, values: CounterValues) -> None:
        """Count from these values on, for the current batch."""
        self._counters_before = values
        self._counters.begin(values)

    def counted(self) -> CounterValues:
        """Return by how much the counters grew in the batch."""
        if self._counters_before is None:
            return CounterValues()
        return difference(self._counters.values(), self._counters_before)

    @property
    def own_sessions(self) -> Mapping[str, int]:
        """By how many the sessions of each principal grew in the batch."""
        return self._counters.own_sessions

    def prefetch(self, ids: Collection[str]) -> None:
        """Read, and perhaps lock, the rows that a batch will ask for."""
        if self._locks:
            self.rows_of_batch.lock(ids)
        else:
            self.rows_of_batch.look_up(ids)

    def committed(self, xmin: int | None) -> None:
        """End a batch after its commit by a transaction; None if it wrote nothing."""
        self._end()
        self.rows_of_batch.end(xmin)

    def forget(self) -> None:
        """Drop everything of the batch and of those before: it was not committed, or who knows."""
        self._end()
        self.rows_of_batch.forget()
        self.frames.forget()

    def find(self, session_id: str, /) -> SessionRow | None:
        """Find the row; a batch reads it at most once on the server."""
        by_id = self.rows_of_batch.by_id
        try:
            return by_id[session_id]
        except KeyError:
            self.prefetch((session_id,))
            return by_id[session_id]

    def insert(self, session: Session, incarnation: str, revision: int, /) -> SessionRow:
        """Add a row, on the server at the end of the batch."""
        self.last_number += 1
        row = PostgresRow(
            session,
            incarnation=incarnation,
            number=self.last_number,
            revision=revision,
            wall=self.clock.wall(),
            steady=self.clock.steady(),
        )
        row.stored_revision = row.stored_bytes = row.xmin = row.fields_xmin = 0
        self.created = True
        self.rows_of_batch.add(row)
        self._mark(row)
        self._first_sessions.forget()
        return row

    def put(self, row: SessionRow, /) -> None:
        """Write the row at the end of the batch; its place is that of its times."""
        self._mark(_ours(row))
        if row.ended_at is None:
            self._first_sessions.note_activity()
        else:
            self._first_sessions.note_end(row.number)

    def keep(self, row: SessionRow, /) -> None:
        """Write the row at the end of the batch."""
        self._mark(_ours(row))

    def note_expiry(self, row: SessionRow, /) -> None:
        """Read the order again; an index keeps it."""
        if row.ended_at is None:
            self._first_sessions.note_expiry()

    def remove(self, row: SessionRow, /) -> None:
        """Remove the row, and its frames if they are few; many get a tombstone."""
        row = _ours(row)
        self.frames.clear(row)
        self.rows_of_batch.remove(row)
        self.changed = True
        self._first_sessions.note_removal(row.number)
        self.connection.fetch(_REMOVE, row.number)

    def rows(self) -> Iterator[SessionRow]:
        """All rows in order of creation, read in slices."""
        return self.rows_after(0)

    def rows_after(self, number: int, /) -> Iterator[SessionRow]:
        """Rows created after that number; the first one is found at once."""
        self.rows_of_batch.flush()
        number = min(number, _GREATEST)
        count = 8  # of a page that wants few, few are read
        while True:
            found = self.connection.fetch(_AFTER, number, count)
            for columns in found:
                number = columns[0]
                yield self._row(columns)
            if len(found) < count:
                return
            count = min(4 * count, _ROWS_A_QUERY)

    def rows_by_activity(self, after: Place | None, /) -> Iterator[SessionRow]:
        """Both orders of the index, merged; the first row is found at once."""
        self.rows_of_batch.flush()
        until = None if after is None else after[0]
        return newest_first(
            after, *(self._by_activity(until, ended=each) for each in (False, True))
        )

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
        """Search on the server; only what is found is brought here."""
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

    def _mark(self, row: PostgresRow) -> None:
        self.rows_of_batch.dirty[row.number] = row
        self.changed = True

    def _row(self, columns: Record) -> PostgresRow:
        return self.rows_of_batch.in_batch(make_row(columns))

    def _by_activity(
        self, until: float | None, *, ended: bool
    ) -> Iterator[tuple[float, SessionRow]]:
        for moment, columns in read_by_activity(self.connection, until, ended=ended):
            yield moment, self._row(columns)

    def _first(self, order: str) -> SessionRow | None:
        session_id = self._first_sessions.first(order)
        if session_id is None:
            return None
        if session_id not in self.rows_of_batch.by_id:
            self.prefetch(self._first_sessions.ids(order))
        row = self.find(session_id)
        if row is None:
            raise DamagedRow("a session")
        return row

    def _draw_revisions(self) -> tuple[int, int]:
        drawn = self.connection.fetch("SELECT nextval('revisions')")[0][0]
        return drawn - 1, drawn - 1 + REVISIONS_A_DRAW

    def _read_own_sessions(self, principal: str) -> int:
        try:
            found = self.connection.fetch(_READ_OWN, principal.encode())
        except UnicodeEncodeError:  # no session has it
            return 0
        return int(found[0][0]) if found else 0
