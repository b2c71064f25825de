"""The frames of a file: a batch collects them and writes them together."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from time import sleep
from typing import Any

from ...operations.frame_record import FrameRecord, NumberedRecords, is_message, stream_of
from ...operations.tables import MAX_SEARCHED, MAX_SEARCHED_BYTES
from ...values.query import WantedFrames
from .codec import FRAME_COLUMNS, Columns, SQLiteRow, frame_columns, read_frame
from .errors import corruption_error
from .frame_index import FrameIndex
from .frame_search import condition_for
from .many_rows import ManyRows
from .schema import PAGE_BYTES
from .stream_index import read_stream_name

__all__ = ["FrameTable"]

MAX_REMOVED_AT_ONCE = 1_000
"""The most frames an operation deletes itself; more get a tombstone."""
COLLECTED_AT_ONCE = 500
"""Frames with a tombstone that are deleted at a time, between batches."""
FEW_AT_ONCE = 32
"""Both, where the disk is nearly full: each may change a page of its own."""

_DECODED_AT_ONCE = 500
_GIVE_WAY = 1e-6
"""Frames decoded, and seconds slept, until the loop gets the interpreter that it may wait for.

Otherwise this thread keeps it for 5 ms.
"""
_SMALL = 2_048
"""Bytes of a frame, on average, that is not measured before it is searched."""

_INSERT = ManyRows("frames", f"key, session, seq, {FRAME_COLUMNS}")
_LAST = "SELECT coalesce(max(key), 0) FROM frames"
_ADD_TOMBSTONE = (
    "INSERT INTO tombstones (session, up_to) VALUES (?, ?)"
    " ON CONFLICT (session) DO UPDATE SET up_to = excluded.up_to"
)


class FrameTable:
    """Frames by session and number.

    Removing many frames adds one row to the table `tombstones`. A session's row tells which of its
    frames exist, and its number is never used again, so removed frames cannot be read. They are
    deleted between batches, a bounded number at a time.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._execute = connection.execute
        self._index = FrameIndex(connection)
        self._pending: dict[int, list[Columns]] = {}
        self.has_tombstones = True
        """Whether there may be tombstones; a killed process may have left some."""
        self.written = 0
        """Bytes written since this was last set to 0."""
        self.is_careful = False
        """Whether as few pages as possible are written at a time."""

    def append(self, row: SQLiteRow, records: Sequence[FrameRecord]) -> None:
        """Collect records for `flush`; their numbers follow the last one of the row."""
        columns = frame_columns(row.number, row.last_seq + 1, records)
        self._pending.setdefault(row.number, []).extend(columns)

    def flush(self) -> None:
        """Write all collected records."""
        if self._pending:
            together = [each for frames in self._pending.values() for each in frames]
            (last,) = self._execute(_LAST).fetchone()
            keyed = [(key, *each) for key, each in enumerate(together, last + 1)]
            _INSERT.insert(self._connection, keyed)
            self._index.add([(session, seq, key) for key, session, seq, *_ in keyed])
            named = [
                (session, stream, seq, key)
                for key, session, seq, _, _, detail, _ in keyed
                if detail is not None and (stream := stream_of(detail)) is not None
            ]
            if named:
                self._index.streams.add(named)
            self.written += sum(len(each[-1]) for each in together)
            self._pending = {}

    def forget(self) -> None:
        """Drop all collected records: they were rolled back."""
        self._pending = {}
        self._index.forget()
        self.has_tombstones = True

    def read(self, row: SQLiteRow, first: int, count: int) -> list[FrameRecord]:
        """Return `count` records from number `first` on. Raises `sqlite3.DatabaseError`."""
        if not count:
            return []
        self._flush_row(row)
        found = self._index.read(FRAME_COLUMNS, row.number, first, first + count - 1)
        if len(found) != count:
            raise corruption_error("a log with frames missing")
        return _decode(found)

    def read_stream(
        self,
        row: SQLiteRow,
        stream: str,
        first: int,
        last: int,
        limit: int | None,
        *,
        newest: bool,
    ) -> NumberedRecords:
        """Return at most `limit` records of a stream from number `first` to `last`, in order.

        Raises `sqlite3.DatabaseError`.
        """
        if first > last:
            return (), ()
        self._flush_row(row)
        found = self._index.streams.read(
            FRAME_COLUMNS, row.number, stream, first, last, limit=limit, newest=newest
        )
        records = _decode([columns[1:] for columns in found])
        if any(read_stream_name(record.detail) != stream for record in records):
            raise corruption_error("a stream with a frame of another one")
        return [seq for seq, *_ in found], records

    def search(
        self, row: SQLiteRow, wanted: WantedFrames, first: int, last: int, limit: int
    ) -> tuple[NumberedRecords, int]:
        """Return what is wanted of the frames from number `first` to `last`, as `Tables` says.

        Raises `sqlite3.DatabaseError`.
        """
        self._flush_row(row)
        last = self._end_of_search(row, first, last)
        columns = self._index.search(
            FRAME_COLUMNS, row.number, first, last, condition=condition_for(wanted), limit=limit
        )
        records = _decode([each[1:] for each in columns])
        found = [*zip((each[0] for each in columns), records, strict=True)]
        to = last if len(found) < limit else found[-1][0]
        # The condition finds all that are wanted, and perhaps some more.
        found = [
            each
            for each in found
            if wanted.accepts(each[1].message, is_message=is_message(each[1]))
        ]
        return ([seq for seq, _ in found], [record for _, record in found]), to

    def _end_of_search(self, row: SQLiteRow, first: int, last: int) -> int:
        last = min(last, first + MAX_SEARCHED - 1)
        # Where frames are small, a step is bounded by their number. Measuring takes half as long
        # as searching them.
        if row.byte_count <= max(MAX_SEARCHED_BYTES, row.frame_count * _SMALL):
            return last
        while first < last:
            size, _ = self._index.measure(row.number, first, last)
            if size <= MAX_SEARCHED_BYTES:
                break
            last = first + (last - first) // 2
        return last

    def count_stream(self, row: SQLiteRow, stream: str) -> int:
        """Count the entries of a stream whose frames are in the log; O(entries)."""
        self._flush_row(row)
        first = row.last_seq - row.frame_count + 1
        return self._index.streams.count(row.number, stream, first, row.last_seq)

    def replace(self, row: SQLiteRow, records: Mapping[int, FrameRecord]) -> None:
        """Write over these frames, also in the pages that hold them. O(records).

        Copies that earlier deletions of other frames left in unused pages stay. Raises
        `sqlite3.DatabaseError` if one is missing.
        """
        self._flush_row(row)
        # Otherwise the pages of a large message are freed with the message still in them.
        self._execute("PRAGMA secure_delete = ON").fetchall()
        try:
            changed = self._index.replace(
                row.number,
                [(seq, record.detail, record.message) for seq, record in records.items()],
            )
        finally:
            self._execute("PRAGMA secure_delete = FAST").fetchall()
        if changed != len(records):
            raise corruption_error("a log with frames missing")
        self.written += PAGE_BYTES * len(records)  # at most: each on a page of its own

    def trim(self, row: SQLiteRow, count: int) -> int:
        """Remove the first `count` frames; return their bytes. O(count)."""
        if not count:
            return 0
        self._flush_row(row)
        first = row.last_seq - row.frame_count + 1
        up_to = first + count - 1
        size, found = self._index.measure(row.number, first, up_to)
        if found != count:
            raise corruption_error("a log with frames missing")
        self._remove(row.number, first, up_to)
        return size

    def clear(self, row: SQLiteRow) -> None:
        """Remove all frames of a row, also the collected ones."""
        self._pending.pop(row.number, None)
        if row.frame_count:
            self._remove(row.number, row.last_seq - row.frame_count + 1, row.last_seq)

    def collect(self) -> None:
        """Delete some frames that have a tombstone, within a transaction of its own."""
        tombstone = self._execute("SELECT session, up_to FROM tombstones LIMIT 1").fetchone()
        if tombstone is None:
            self.has_tombstones = False
            return
        session, up_to = tombstone
        count = FEW_AT_ONCE if self.is_careful else COLLECTED_AT_ONCE
        if self._index.remove_some(session, up_to, count) < count:
            self._execute("DELETE FROM tombstones WHERE session = ?", (session,))
        self.written += count * 64

    def _flush_row(self, row: SQLiteRow) -> None:
        if row.number in self._pending:
            self.flush()

    def _remove(self, number: int, first: int, up_to: int) -> None:
        if up_to - first < (FEW_AT_ONCE if self.is_careful else MAX_REMOVED_AT_ONCE):
            self._index.remove(number, first, up_to)
        else:
            self._execute(_ADD_TOMBSTONE, (number, up_to))
            self.has_tombstones = True


def _decode(found: Sequence[tuple[Any, ...]]) -> list[FrameRecord]:
    records: list[FrameRecord] = []
    for start in range(0, len(found), _DECODED_AT_ONCE):
        if start:
            sleep(_GIVE_WAY)
        records += [read_frame(columns) for columns in found[start : start + _DECODED_AT_ONCE]]
    return records
