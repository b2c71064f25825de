"""The frames of sessions: a batch collects them, and they are written with its commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import sleep
from typing import Any

from ...operations.frame_record import FrameRecord, NumberedRecords, is_message, stream_of
from ...operations.tables import MAX_SEARCHED, MAX_SEARCHED_BYTES
from ...values.query import WantedFrames
from .codec import FRAME_COLUMNS, Columns, DamagedRow, PostgresRow, frame_columns, read_frame
from .connection import PostgresConnection
from .frame_search import condition_for

__all__ = ["INSERT_FRAMES", "FrameTable"]

MAX_REMOVED_AT_ONCE = 1_000
"""The most frames an operation deletes itself; more get a tombstone."""
COLLECTED_AT_ONCE = 1_000
"""Frames with a tombstone that are deleted at a time, between batches."""

_DECODED_AT_ONCE = 500
_GIVE_WAY = 1e-6
"""Frames decoded, and seconds slept, until the loop gets the interpreter that it may wait for."""

INSERT_FRAMES = (
    "INSERT INTO frames (session, seq, sent_at, direction, message, detail, stream)"
    " SELECT * FROM unnest({}::bigint[], {}::bigint[], {}::bigint[], {}::smallint[],"
    " {}::bytea[], {}::bytea[], {}::bytea[])"
)
"""Takes an array for each column."""
_INSERT = INSERT_FRAMES.format(*(f"${place}" for place in range(1, 8)))
_HERE = "session = $1 AND seq BETWEEN $2 AND $3"
_READ = f"SELECT {FRAME_COLUMNS} FROM frames WHERE {_HERE} ORDER BY seq"  # noqa: S608 - our columns
_SEARCH = f"SELECT seq, {FRAME_COLUMNS} FROM frames WHERE {_HERE} AND %s ORDER BY seq LIMIT $4"  # noqa: S608 - our columns
_READ_STREAM = (
    f"SELECT seq, {FRAME_COLUMNS} FROM frames WHERE {_HERE} AND stream = $4"  # noqa: S608 - our columns
    " ORDER BY seq %s LIMIT $5"
)
_COUNT_STREAM = f"SELECT count(*) FROM frames WHERE {_HERE} AND stream = $4"  # noqa: S608 - our columns
_SIZE = f"SELECT coalesce(sum(length(message)), 0)::bigint, count(*) FROM frames WHERE {_HERE}"  # noqa: S608 - our columns
_REMOVE = f"DELETE FROM frames WHERE {_HERE}"  # noqa: S608 - our columns
_REPLACE = (
    "UPDATE frames SET detail = new.detail, message = new.message"
    " FROM unnest($2::bigint[], $3::bytea[], $4::bytea[]) AS new (seq, detail, message)"
    " WHERE frames.session = $1 AND frames.seq = new.seq RETURNING 1"
)
_ADD_TOMBSTONE = (
    "INSERT INTO tombstones (session, up_to) VALUES ($1, $2)"
    " ON CONFLICT (session) DO UPDATE SET up_to = excluded.up_to"
)
# Several processes collect at the same time, each another session's frames.
_COLLECT = (
    "WITH chosen AS (SELECT session, up_to FROM tombstones LIMIT 1 FOR UPDATE SKIP LOCKED),"
    # Joined without LATERAL, all old frames of the session would be sorted each time.
    " old AS (SELECT part.session, seq FROM chosen CROSS JOIN LATERAL"
    " (SELECT frames.session, frames.seq FROM frames"
    " WHERE frames.session = chosen.session AND frames.seq <= chosen.up_to"
    " ORDER BY frames.session, frames.seq LIMIT $1) AS part),"
    " gone AS (DELETE FROM frames USING old"
    " WHERE frames.session = old.session AND frames.seq = old.seq RETURNING 1)"
    " SELECT session, (SELECT count(*) FROM gone), up_to FROM chosen"
)
# Not one that somebody raised meanwhile: the new frames it is for may not be visible here.
_DROP_TOMBSTONE = (
    "DELETE FROM tombstones WHERE session = $1 AND up_to = $2 AND NOT EXISTS (SELECT 1 FROM frames"
    " WHERE frames.session = tombstones.session AND seq <= up_to)"
)


class FrameTable:
    """Frames by session and number.

    Removing many frames adds a row to `tombstones`. A session's row tells which of its frames
    exist, and its number is never used again, so removed frames cannot be read. They are deleted
    between batches, a bounded number at a time.
    """

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection
        self._pending: dict[int, list[Columns]] = {}
        self.has_tombstones = True
        """Whether there may be tombstones; a killed process may have left some."""
        self.before_writing: Callable[[], None] = lambda: None
        """Called before frames are written or removed ahead of the end of the batch."""

    def append(self, row: PostgresRow, records: Sequence[FrameRecord]) -> None:
        """Collect records for the commit; their numbers follow the last one of the row."""
        columns = frame_columns(row.number, row.last_seq + 1, records)
        self._pending.setdefault(row.number, []).extend(columns)

    def take_pending(self) -> Sequence[Sequence[Any]]:
        """Return what was collected, an array for each column, and collect anew."""
        together = [each for frames in self._pending.values() for each in frames]
        self._pending = {}
        return list(zip(*together, strict=True)) if together else [()] * 7

    def forget(self) -> None:
        """Drop all collected records: they were rolled back."""
        self._pending = {}
        self.has_tombstones = True

    def read(self, row: PostgresRow, first: int, count: int) -> list[FrameRecord]:
        """Return `count` records from number `first` on. Raises `DamagedRow`."""
        if not count:
            return []
        self._flush(row)
        found = self._connection.fetch(_READ, row.number, first, first + count - 1)
        if len(found) != count:
            raise DamagedRow("a log with frames missing")
        return _decode(found)

    def read_stream(
        self,
        row: PostgresRow,
        stream: str,
        first: int,
        last: int,
        limit: int | None,
        *,
        newest: bool,
    ) -> NumberedRecords:
        """Return at most `limit` records of a stream from number `first` to `last`, in order.

        Raises `DamagedRow`.
        """
        if first > last:
            return (), ()
        self._flush(row)
        sql = _READ_STREAM % ("DESC" if newest else "ASC")
        found = self._connection.fetch(sql, row.number, first, last, stream.encode(), limit)
        if newest:
            found = found[::-1]
        records = _decode([columns[1:] for columns in found])
        if any(stream_of(record.detail) != stream for record in records):
            raise DamagedRow("a stream with a frame of another one")
        return [columns[0] for columns in found], records

    def search(
        self, row: PostgresRow, wanted: WantedFrames, first: int, last: int, limit: int
    ) -> tuple[NumberedRecords, int]:
        """Return what is wanted of the frames from number `first` to `last`, as `Tables` says.

        Raises `DamagedRow`.
        """
        self._flush(row)
        last = self._end_of_search(row, first, last)
        condition, parameters = condition_for(wanted, 5)
        found = self._connection.fetch(
            _SEARCH % condition, row.number, first, last, limit, *parameters
        )
        to = last if len(found) < limit else found[-1][0]
        numbered = [
            (columns[0], record)
            for columns, record in zip(
                found, _decode([columns[1:] for columns in found]), strict=True
            )
            # The condition finds all that are wanted, and perhaps some more.
            if wanted.accepts(record.message, is_message=is_message(record))
        ]
        return ([seq for seq, _ in numbered], [record for _, record in numbered]), to

    def count_stream(self, row: PostgresRow, stream: str) -> int:
        """Count the frames of a stream in the index; O(frames of the stream)."""
        self._flush(row)
        first = row.last_seq - row.frame_count + 1
        found = self._connection.fetch(
            _COUNT_STREAM, row.number, first, row.last_seq, stream.encode()
        )
        return int(found[0][0])

    def replace(self, row: PostgresRow, records: Mapping[int, FrameRecord]) -> None:
        """Write over these frames. Raises `DamagedRow` if one is missing.

        The server keeps the former content until it vacuums the table, and in its log.
        """
        self._flush(row)
        changed = self._connection.fetch(
            _REPLACE,
            row.number,
            list(records),
            [record.detail for record in records.values()],
            [record.message for record in records.values()],
        )
        if len(changed) != len(records):
            raise DamagedRow("a log with frames missing")

    def trim(self, row: PostgresRow, count: int) -> int:
        """Remove the first `count` frames; return their bytes. O(count)."""
        if not count:
            return 0
        self.before_writing()
        self._flush(row)
        first = row.last_seq - row.frame_count + 1
        up_to = first + count - 1
        size, found = self._connection.fetch(_SIZE, row.number, first, up_to)[0]
        if found != count:
            raise DamagedRow("a log with frames missing")
        self._remove(row.number, first, up_to)
        return int(size)

    def clear(self, row: PostgresRow) -> None:
        """Remove all frames of a row, also the collected ones."""
        self._pending.pop(row.number, None)
        if row.frame_count:
            self._remove(row.number, row.last_seq - row.frame_count + 1, row.last_seq)

    def collect(self) -> None:
        """Delete some frames that have a tombstone, as a transaction of its own."""
        found = self._connection.fetch(_COLLECT, COLLECTED_AT_ONCE)
        if not found:
            self.has_tombstones = False
        elif found[0][1] < COLLECTED_AT_ONCE:
            self._connection.fetch(_DROP_TOMBSTONE, found[0][0], found[0][2])

    def _flush(self, row: PostgresRow) -> None:
        if row.number in self._pending:
            self.before_writing()
            self._connection.fetch(_INSERT, *self.take_pending())

    def _remove(self, number: int, first: int, up_to: int) -> None:
        if up_to - first < MAX_REMOVED_AT_ONCE:
            self._connection.fetch(_REMOVE, number, first, up_to)
        else:
            self._connection.fetch(_ADD_TOMBSTONE, number, up_to)
            self.has_tombstones = True

    def _end_of_search(self, row: PostgresRow, first: int, last: int) -> int:
        last = min(last, first + MAX_SEARCHED - 1)
        # Where frames are small, a step is bounded by their number.
        if row.byte_count <= MAX_SEARCHED_BYTES:
            return last
        while first < last:
            if self._connection.fetch(_SIZE, row.number, first, last)[0][0] <= MAX_SEARCHED_BYTES:
                break
            last = first + (last - first) // 2
        return last


def _decode(found: Sequence[Columns]) -> list[FrameRecord]:
    records: list[FrameRecord] = []
    for start in range(0, len(found), _DECODED_AT_ONCE):
        if start:
            sleep(_GIVE_WAY)
        records += [read_frame(columns) for columns in found[start : start + _DECODED_AT_ONCE]]
    return records
