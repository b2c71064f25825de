"""The primitive reads and writes the rules are written against.

A `Tables` holds data and no rule; what is a duplicate, what is stale, what a limit refuses is
decided in `rules.py`, once for every backend.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import Context

from ..values.clock import Clock
from ..values.events import SessionEventKind
from ..values.limits import StoreLimits
from ..values.query import WantedFrames
from ..values.session import Session
from ..values.states import SessionState
from ..values.statistics import FileStatistics
from .counters import StoreCounters
from .frame_record import FrameRecord, NumberedRecords, is_message
from .newest_first import Place
from .session_row import SessionRow

__all__ = ["MAX_SEARCHED", "MAX_SEARCHED_BYTES", "Tables"]

MAX_SEARCHED = 8_192
"""Frames that a search looks at in one step on a thread of its own."""
MAX_SEARCHED_BYTES = 8 * 1024 * 1024
"""Bytes after which it looks at no further frame."""
_SEARCHED_ON_LOOP = 1_024
_SEARCHED_BYTES_ON_LOOP = 1024 * 1024
"""The same on the loop, which nobody else can use meanwhile."""
_READ_AT_ONCE = 128


class Tables(ABC):
    """Sessions by id and their logs, for one owner at a time."""

    limits: StoreLimits
    clock: Clock
    counters: StoreCounters

    @abstractmethod
    def find(self, session_id: str, /) -> SessionRow | None:
        """Return the row of a session, which the rules may change and then `put`."""

    @abstractmethod
    def insert(self, session: Session, incarnation: str, revision: int, /) -> SessionRow:
        """Add the row of a new session, created and active now."""

    @abstractmethod
    def put(self, row: SessionRow, /) -> None:
        """Keep a row that was changed: the most recently active one, or one that has ended.

        The order of ends is that of `steady_ended_at`, which an archive sets to the past.
        """

    @abstractmethod
    def keep(self, row: SessionRow, /) -> None:
        """Keep a row that was changed, in the place that it has among the others."""

    @abstractmethod
    def note_expiry(self, row: SessionRow, /) -> None:
        """Keep the order of `expires_at` of live sessions, after the row was changed and kept.

        Called if the row has or had an `expires_at`; `insert` and `remove` see to it themselves.
        """

    @abstractmethod
    def remove(self, row: SessionRow, /) -> None:
        """Remove a session and its frames."""

    @abstractmethod
    def rows(self) -> Iterable[SessionRow]:
        """All rows in order of creation."""

    @abstractmethod
    def rows_after(self, number: int, /) -> Iterator[SessionRow]:
        """Rows created after that number, in order; the work is in proportion to those taken."""

    @abstractmethod
    def rows_by_activity(self, after: Place | None, /) -> Iterator[SessionRow]:
        """Rows after a place in the order of last activity, newest first, live and ended alike.

        As `newest_first` orders them. The work is in proportion to those taken, and to those of
        the same moment, in whole microseconds.
        """

    @abstractmethod
    def least_active(self) -> SessionRow | None:
        """The live session whose last activity lies farthest back; no scan.

        Of several with one moment, in whole microseconds, the first by `encoded_id`; so below.
        """

    @abstractmethod
    def oldest_live(self) -> SessionRow | None:
        """The live session created first; no scan."""

    @abstractmethod
    def first_to_expire(self) -> SessionRow | None:
        """The live session with the earliest `expires_at`; no scan."""

    @abstractmethod
    def oldest_ended(self) -> SessionRow | None:
        """The session that ended first; no scan."""

    @abstractmethod
    def append(self, row: SessionRow, records: Sequence[FrameRecord], /) -> None:
        """Add records at the end of a log; the row's counters are the rules'."""

    def append_one(self, row: SessionRow, record: FrameRecord, /) -> None:
        """Do `append`, `put` and `announce` for one record of a live session."""
        self.append(row, (record,))
        self.put(row)
        self.announce(row.id)

    @abstractmethod
    def read(self, row: SessionRow, first: int, count: int, /) -> Sequence[FrameRecord]:
        """Return `count` records from number `first` on; all of them exist."""

    @abstractmethod
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
        """Return at most `limit` records of a stream from number `first` to `last`, in order.

        With `newest` the last ones. `first` is the log's first number, or a later one; the work is
        in proportion to what is returned.
        """

    def search(
        self, row: SessionRow, wanted: WantedFrames, first: int, last: int, limit: int, /
    ) -> tuple[NumberedRecords, int]:
        """Search the records from number `first` to `last`, all of which exist.

        Returns at most `limit` of those that are wanted, in order, and the number up to which was
        searched: a bounded part, but at least one record.
        """
        numbers: list[int] = []
        found: list[FrameRecord] = []
        searched = 0
        last = min(last, first + _SEARCHED_ON_LOOP - 1)
        for start in range(first, last + 1, _READ_AT_ONCE):
            records = self.read(row, start, min(_READ_AT_ONCE, last + 1 - start))
            for seq, record in enumerate(records, start):
                searched += len(record.message)
                if wanted.accepts(record.message, is_message=is_message(record)):
                    numbers.append(seq)
                    found.append(record)
                if len(found) == limit or searched >= _SEARCHED_BYTES_ON_LOOP:
                    return (numbers, found), seq
        return (numbers, found), last

    @abstractmethod
    def count_stream(self, row: SessionRow, stream: str, /) -> int:
        """Return how many records of a stream a log has; without reading them."""

    @abstractmethod
    def replace(self, row: SessionRow, records: Mapping[int, FrameRecord], /) -> None:
        """Put records in the place of those with these numbers; all of them exist."""

    @abstractmethod
    def clear(self, row: SessionRow, /) -> None:
        """Remove all records of a session's log."""

    @abstractmethod
    def trim(self, row: SessionRow, count: int, /) -> int:
        """Remove the first `count` records of a log; return their bytes."""

    @abstractmethod
    def announce(self, session_id: str, /) -> None:
        """Wake the watchers of a changed session, once they can read the change."""

    @abstractmethod
    def tell(
        self,
        kind: SessionEventKind,
        row: SessionRow,
        before: SessionState | None,
        context: Context,
        /,
    ) -> None:
        """Tell the store's listeners what happened to a session, once that stands."""

    def file(self) -> FileStatistics | None:
        """Tell about the file behind the tables, if there is one."""
        return None
