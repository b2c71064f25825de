"""Sessions and frames in dicts and lists.

Sessions stand in order of creation in one dict and in order of last activity in another, so that
the least recently active one is at hand without a scan.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence

from ..clock import Clock
from ..limits import StoreLimits
from ..records import FrameRecord
from ..rows import SessionRow
from ..session import Session
from ..states import SessionState
from ..tables import Tables

__all__ = ["MemoryTables"]


class _MemoryRow(SessionRow):
    __slots__ = ("log",)
    log: list[FrameRecord]


def _log(row: SessionRow) -> list[FrameRecord]:
    return row.log  # type: ignore[attr-defined,no-any-return]  # these tables made the row


class MemoryTables(Tables):
    """Everything in this process's memory; gone with it."""

    def __init__(self, limits: StoreLimits | None = None, clock: Clock | None = None) -> None:
        self.limits = StoreLimits() if limits is None else limits
        self.clock = Clock() if clock is None else clock
        # Told now, and not to the owner by an operation that fails in its middle.
        if not isinstance(self.limits, StoreLimits) or not isinstance(self.clock, Clock):
            raise TypeError("limits are StoreLimits, and a clock is a Clock")
        self.total_bytes = 0
        self.total_frames = 0
        self._rows: dict[str, _MemoryRow] = {}
        self._by_activity: OrderedDict[str, _MemoryRow] = OrderedDict()
        self._states: Counter[SessionState] = Counter()
        self._revision = 0

    @property
    def session_count(self) -> int:  # type: ignore[override]  # counted, not kept apart
        """How many sessions there are."""
        return len(self._rows)

    def find(self, session_id: str, /) -> SessionRow | None:
        """Look the row up; O(1)."""
        return self._rows.get(session_id)

    def insert(self, session: Session, revision: int, /) -> SessionRow:
        """Add a row at the end of both orders; O(1)."""
        row = _MemoryRow(
            session, revision=revision, wall=self.clock.wall(), steady=self.clock.steady()
        )
        row.log = []
        self._rows[session.id] = self._by_activity[session.id] = row
        return row

    def put(self, row: SessionRow, /) -> None:
        """Move the row to the end of the order of activity; O(1)."""
        self._by_activity.move_to_end(row.session.id)

    def remove(self, row: SessionRow, /) -> None:
        """Forget the row and its log; O(1), and freeing the log O(frames)."""
        self.total_bytes -= row.byte_count
        self.total_frames -= row.frame_count
        del self._rows[row.session.id], self._by_activity[row.session.id]

    def rows(self) -> Iterable[SessionRow]:
        """All rows in order of creation."""
        return self._rows.values()

    def next_revision(self) -> int:
        """Count on; deleting a session does not count back."""
        self._revision += 1
        return self._revision

    def tally(self, left: SessionState | None, entered: SessionState | None, /) -> None:
        """Keep the numbers by state."""
        if left is not None:
            self._states[left] -= 1
        if entered is not None:
            self._states[entered] += 1

    def sessions_by_state(self) -> dict[SessionState, int]:
        """All six states, zeros included."""
        return {state: self._states[state] for state in SessionState}

    def append(self, row: SessionRow, records: Sequence[FrameRecord], size: int, /) -> None:
        """Extend the session's list; O(records)."""
        _log(row).extend(records)
        self.total_frames += len(records)
        self.total_bytes += size

    def read(self, row: SessionRow, first: int, count: int, /) -> Sequence[FrameRecord]:
        """Slice the session's list; O(count)."""
        start = first - (row.last_seq - row.frame_count + 1)
        return _log(row)[start : start + count]

    def clear(self, row: SessionRow, /) -> None:
        """Drop the session's list."""
        self.total_bytes -= row.byte_count
        self.total_frames -= row.frame_count
        _log(row).clear()
