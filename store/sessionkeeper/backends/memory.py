"""Sessions and frames in dicts and lists.

Sessions are in order of creation in one dict and in order of last activity in another, so that
the least recently active one is found without a scan. Those with `expires_at` are in order of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import Context
from operator import attrgetter

from ..interface.listeners import Listeners
from ..operations.counters import StoreCounters
from ..operations.frame_record import STREAM_HEADERS, FrameRecord, NumberedRecords
from ..operations.newest_first import Place, newest_first
from ..operations.session_row import SessionRow
from ..operations.tables import Tables
from ..values.clock import Clock, micros, moment_micros
from ..values.events import SessionEvent, SessionEventKind
from ..values.ids import encoded_id
from ..values.limits import StoreLimits
from ..values.session import Session
from ..values.states import SessionState
from .activity_order import ActivityOrder, ActivityRow
from .creation_order import CreationOrder
from .frame_log import FrameLog
from .sorted_rows import SortedRows
from .time_order import TimeOrder

__all__ = ["MemoryTables"]


class _MemoryRow(ActivityRow):
    __slots__ = ("log",)
    log: FrameLog


def _log(row: SessionRow) -> FrameLog:
    return row.log  # type: ignore[attr-defined,no-any-return]  # these tables made the row


class MemoryTables(Tables):
    """Keeps everything in the memory of this process; it is lost with the process."""

    def __init__(self, limits: StoreLimits | None = None, clock: Clock | None = None) -> None:
        self.limits = StoreLimits() if limits is None else limits
        self.clock = Clock() if clock is None else clock
        # Raised now, not later by an operation in the owner.
        if not isinstance(self.limits, StoreLimits) or not isinstance(self.clock, Clock):
            raise TypeError("limits are StoreLimits, and a clock is a Clock")
        self.counters = StoreCounters()
        self._rows: dict[str, SessionRow] = {}
        self._created = CreationOrder()
        # Every session is either in the first two or in the third.
        self._by_activity = ActivityOrder()
        self._by_age = TimeOrder(attrgetter("steady_created_at"))
        self._ended = TimeOrder(attrgetter("steady_ended_at"))
        # Those again, by their last activity.
        self._ended_by_activity = SortedRows()
        # Live sessions that have one; kept right by `note_expiry`.
        self._by_expiry = SortedRows()
        self._notify: Callable[[str], None] | None = None
        self._listeners = Listeners()

    def find(self, session_id: str, /) -> SessionRow | None:
        """Look the row up; O(1)."""
        return self._rows.get(session_id)

    def insert(self, session: Session, incarnation: str, revision: int, /) -> SessionRow:
        """Add a row at the end of its orders; O(1)."""
        row = _MemoryRow(
            session,
            incarnation=incarnation,
            number=self._created.next_number(),
            revision=revision,
            wall=self.clock.wall(),
            steady=self.clock.steady(),
        )
        row.log, row.block = FrameLog(), None
        self._rows[session.id] = row
        self._created.add(row)
        if row.ended_at is None:
            self._by_activity.add(row)
            self._by_age.add(row)
        else:
            self._ended.add(row)
            self._note_ended(row)
        if session.expires_at is not None:
            self.note_expiry(row)
        return row

    def put(self, row: SessionRow, /) -> None:
        """Move the row to the end of the order it belongs in; O(1), O(log ended) for an ended."""
        if row.ended_at is None:
            self._by_activity.add(row)  # type: ignore[arg-type]  # as in `_log`
            return
        if self._by_activity.remove(row):  # type: ignore[arg-type]  # as in `_log`
            self._by_age.remove(row)
            self._ended.insert(row)
        self._note_ended(row)

    def keep(self, row: SessionRow, /) -> None:
        """Do nothing: the row is the stored object itself."""

    def note_expiry(self, row: SessionRow, /) -> None:
        """Move the row in the order of `expires_at`; O(log sessions in it)."""
        expires_at = row.session.expires_at
        if expires_at is None or row.ended_at is not None:
            self._by_expiry.remove(row)
        else:
            self._by_expiry.put(row, moment_micros(expires_at), encoded_id(row.id))

    def remove(self, row: SessionRow, /) -> None:
        """Forget the row and its log; O(1), and freeing the log O(frames)."""
        del self._rows[row.id]
        self._created.remove(row)
        self._by_expiry.remove(row)
        if row.ended_at is None:
            self._by_activity.remove(row)  # type: ignore[arg-type]  # as in `_log`
            self._by_age.remove(row)
        else:
            self._ended.remove(row)
            self._ended_by_activity.remove(row)

    def rows(self) -> Iterable[SessionRow]:
        """All rows in order of creation."""
        return self._created.all()

    def rows_after(self, number: int, /) -> Iterator[SessionRow]:
        """Rows created after that number; the first one is found at once."""
        return self._created.after(number)

    def rows_by_activity(self, after: Place | None, /) -> Iterator[SessionRow]:
        """The orders of live and of ended rows, merged; the first one is found at once."""
        until = None if after is None else after[0]
        orders = self._by_activity.newest(until), self._ended_by_activity.newest(until)
        return newest_first(after, *orders)

    def least_active(self) -> SessionRow | None:
        """The first in the order of activity; O(1)."""
        return self._by_activity.first()

    def oldest_live(self) -> SessionRow | None:
        """The first in the order of age; O(1)."""
        return self._by_age.first()

    def first_to_expire(self) -> SessionRow | None:
        """The first in the order of `expires_at`; O(1)."""
        return self._by_expiry.first()

    def oldest_ended(self) -> SessionRow | None:
        """The first in the order of ends; O(1)."""
        return self._ended.first()

    def append(self, row: SessionRow, records: Sequence[FrameRecord], /) -> None:
        """Extend the session's list; O(records)."""
        log = _log(row)
        log.extend(records)
        for record in records:
            # As `names_stream` does, without a call: nearly no record has a stream.
            if record.detail is not None and record.detail[0] in STREAM_HEADERS:
                log.index_streams(records, row.last_seq + 1)
                break

    def append_one(self, row: SessionRow, record: FrameRecord, /) -> None:
        """Do all three at once: most of an append would be calls; O(1)."""
        log = _log(row)
        log.append(record)
        if record.detail is not None and record.detail[0] in STREAM_HEADERS:
            log.index_streams((record,), row.last_seq + 1)
        self._by_activity.add(row)  # type: ignore[arg-type]  # as in `_log`
        if self._notify is not None:
            self._notify(row.id)

    def read(self, row: SessionRow, first: int, count: int, /) -> Sequence[FrameRecord]:
        """Slice the session's log; O(count)."""
        return _log(row).read(first - (row.last_seq - row.frame_count + 1), count)

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
        """Look the numbers up, then each record; O(limit)."""
        log, start = _log(row), row.last_seq - row.frame_count + 1
        numbers = log.numbers_of(stream, first, last, limit, newest=newest)
        return numbers, [log.read(number - start, 1)[0] for number in numbers]

    def count_stream(self, row: SessionRow, stream: str, /) -> int:
        """Look the number up; O(1)."""
        return _log(row).count_of(stream)

    def replace(self, row: SessionRow, records: Mapping[int, FrameRecord], /) -> None:
        """Set each in the session's log; O(records)."""
        log, first = _log(row), row.last_seq - row.frame_count + 1
        for seq, record in records.items():
            log.replace(seq - first, record)

    def clear(self, row: SessionRow, /) -> None:
        """Drop the session's log; O(its frames)."""
        self.trim(row, row.frame_count)

    def trim(self, row: SessionRow, count: int, /) -> int:
        """Drop the front of the session's log; O(count)."""
        return _log(row).drop(count)

    def _note_ended(self, row: SessionRow) -> None:
        self._ended_by_activity.put(row, micros(row.steady_active_at), row.number)

    def announce(self, session_id: str, /) -> None:
        """Notify at once: the watchers' reads are answered after this command."""
        if self._notify is not None:
            self._notify(session_id)

    def tell(
        self,
        kind: SessionEventKind,
        row: SessionRow,
        before: SessionState | None,
        context: Context,
        /,
    ) -> None:
        """Call the listeners at once; without listeners no snapshot is made."""
        if self._listeners:
            self._listeners.tell(SessionEvent(kind, row.snapshot(), before), context)

    def connect(self, notify: Callable[[str], None], listeners: Listeners, /) -> None:
        """Call `notify` with the id of each changed session, and `listeners` with each event."""
        self._notify, self._listeners = notify, listeners
