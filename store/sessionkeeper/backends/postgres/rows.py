"""Session rows as they are read and written: locked for a batch, kept from batch to batch.

A row that is kept is used again only if the server's rows are of the same transactions (`xmin`),
which are read with the lock, or compared by the statement that writes. So rows outlive their batch
although other processes write.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ...values.ids import is_session_id
from .codec import LOG_COLUMNS, SESSION_COLUMNS, PostgresRow, read_row
from .connection import PostgresConnection, Record

__all__ = ["READ_ROWS", "UPDATE_LOGS", "WRITE_LOGS", "RowTable", "make_row"]

MAX_KEPT = 4_096
"""Rows that are kept from batch to batch."""
MAX_KEPT_BYTES = 4 * 1024 * 1024
"""Bytes of their fields, about."""

READ_ROWS = f"SELECT {SESSION_COLUMNS}, {LOG_COLUMNS} FROM sessions JOIN logs ON session = number"  # noqa: S608 - our columns
_BY_IDS = f"{READ_ROWS} WHERE id = ANY($1::text[])"
# In the order of their numbers, so that no two batches wait for each other. A session has no other
# number while the store is locked, shared or not.
_LOCK = (
    f"SELECT id, sessions.xmin, logs.xmin, {LOG_COLUMNS}"  # noqa: S608 - our columns
    " FROM sessions JOIN logs ON session = number"
    " WHERE id = ANY($1::text[]) ORDER BY number FOR UPDATE OF logs"
)
# After the locks: what the statement above saw of this table may be older than they are.
_BY_NUMBERS = f"SELECT {SESSION_COLUMNS}, xmin FROM sessions WHERE number = ANY($1::bigint[])"  # noqa: S608 - our columns
_WRITE_SESSIONS = (
    f"INSERT INTO sessions ({SESSION_COLUMNS.replace('sessions.', '')})"  # noqa: S608 - our columns
    " SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::float8[], $4::float8[], $5::float8[],"
    " $6::float8[], $7::bigint[], $8::text[], $9::text[], $10::text[], $11::bytea[], $12::text[])"
    " ON CONFLICT (number) DO UPDATE SET revision = excluded.revision,"
    " created_at = excluded.created_at, ended_at = excluded.ended_at,"
    " steady_ended_at = excluded.steady_ended_at, expires_at = excluded.expires_at,"
    " state = excluded.state, principal = excluded.principal, fields = excluded.fields"
)
WRITE_LOGS = (
    "INSERT INTO logs (session, revision, steady_active_at, last_activity, frame_count, last_seq,"
    " byte_count, odd_frames, gap_frames, ended)"
    " SELECT * FROM unnest({}::bigint[], {}::bigint[], {}::float8[], {}::float8[], {}::bigint[],"
    " {}::bigint[], {}::bigint[], {}::bigint[], {}::bigint[], {}::boolean[])"
    " ON CONFLICT (session) DO UPDATE SET revision = excluded.revision,"
    " steady_active_at = excluded.steady_active_at, last_activity = excluded.last_activity,"
    " frame_count = excluded.frame_count, last_seq = excluded.last_seq,"
    " byte_count = excluded.byte_count, odd_frames = excluded.odd_frames,"
    " gap_frames = excluded.gap_frames, ended = excluded.ended"
)
"""Takes an array for each column."""
UPDATE_LOGS = (
    "UPDATE logs SET steady_active_at = new.steady_active_at, last_activity = new.last_activity,"
    " frame_count = new.frame_count, last_seq = new.last_seq, byte_count = new.byte_count,"
    " odd_frames = new.odd_frames, gap_frames = new.gap_frames"
    " FROM unnest({}::bigint[], {}::xid[], {}::float8[], {}::float8[], {}::bigint[], {}::bigint[],"
    " {}::bigint[], {}::bigint[], {}::bigint[]) AS new (session, xmin, steady_active_at,"
    " last_activity, frame_count, last_seq, byte_count, odd_frames, gap_frames)"
    " WHERE logs.session = new.session AND logs.xmin = new.xmin RETURNING 1"
)
"""Takes an array for each column; rows that anybody else wrote since are left, and not returned."""
_LOCK_KEPT = (
    "SELECT 1 FROM unnest($1::bigint[], $2::xid[]) AS kept (session, xmin)"
    " JOIN logs ON logs.session = kept.session WHERE logs.xmin = kept.xmin"
    " ORDER BY kept.session FOR UPDATE OF logs"
)
_WRITE_LOGS = WRITE_LOGS.format(*(f"${place}" for place in range(1, 11)))
_SESSION_COUNT = SESSION_COLUMNS.count(",") + 1
_LOG_COUNT = LOG_COLUMNS.count(",") + 1


class RowTable:
    """The rows of the current batch by id, and those that are kept."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection
        self.forget()

    def forget(self) -> None:
        """Drop all rows: their changes were rolled back, or nobody knows."""
        self._drop_kept()
        self._begin()

    def _drop_kept(self) -> None:
        self._kept: dict[int, PostgresRow] = {}
        self._kept_ids: dict[str, PostgresRow] = {}
        self._bytes = 0

    def _begin(self) -> None:
        self.by_id: dict[str, PostgresRow | None] = {}
        """None: there is no session of this id."""
        self.dirty: dict[int, PostgresRow] = {}
        self._rewritten: list[PostgresRow] = []  # those whose fields were written

    def end(self, xmin: int | None) -> None:
        """End a batch after its commit by a transaction; None if it wrote nothing."""
        if xmin is not None:
            for row in self.dirty.values():
                row.xmin = xmin
            for row in self._rewritten:
                row.fields_xmin = xmin
        if len(self._kept) > MAX_KEPT or self._bytes > MAX_KEPT_BYTES:
            self._drop_kept()
        self._begin()

    def take_kept(self, ids: Collection[str]) -> bool:
        """Take the rows of these ids into the batch as they were kept; False if one was not.

        Nobody knows whether they are still so. `UPDATE_LOGS` finds out.
        """
        found = {each: self._kept_ids.get(each) for each in ids}
        if None in found.values():
            return False
        self.by_id.update(found)
        return True

    def lock_kept(self) -> bool:
        """Lock the rows that `take_kept` took; False if one is no more as it was kept."""
        rows = sorted((row.number, row.xmin) for row in self.by_id.values() if row is not None)
        return len(self._connection.fetch(_LOCK_KEPT, *zip(*rows, strict=True))) == len(rows)

    @property
    def are_all_changed(self) -> bool:
        """Whether the batch changed every row that it has."""
        return len(self.dirty) == len(self.by_id)

    def lock(self, ids: Collection[str]) -> None:
        """Lock and read the rows of some ids, for the transaction."""
        wanted = [each for each in ids if each not in self.by_id and is_session_id(each)]
        self.by_id.update(dict.fromkeys(each for each in ids if each not in self.by_id))
        if not wanted:
            return
        kept = self._kept
        changed: dict[int, Record] = {}
        for columns in self._connection.fetch(_LOCK, wanted):
            id_, fields_xmin, xmin, number, revision = columns[:5]
            row = kept.get(number)
            if row is None or (row.stored_revision, row.fields_xmin) != (revision, fields_xmin):
                changed[number] = columns
                continue
            if row.xmin != xmin:
                row.take_log(columns[3:])
                row.xmin = xmin
            self.by_id[id_] = row
        if changed:
            for fields in self._connection.fetch(_BY_NUMBERS, list(changed)):
                columns = changed[fields[0]]
                row = read_row(fields[:_SESSION_COUNT], columns[3:])
                row.fields_xmin, row.xmin = fields[_SESSION_COUNT], columns[2]
                self.add(row)

    def look_up(self, ids: Collection[str]) -> None:
        """Read the rows of some ids, without locks."""
        wanted = [each for each in ids if each not in self.by_id and is_session_id(each)]
        self.by_id.update(dict.fromkeys(each for each in ids if each not in self.by_id))
        if wanted:
            for columns in self._connection.fetch(_BY_IDS, wanted):
                row = make_row(columns)
                self.by_id[row.id] = row

    def add(self, row: PostgresRow) -> None:
        """Take a row into the batch, and keep it."""
        self.by_id[row.id] = row
        self._drop(row.number)
        self._kept[row.number] = self._kept_ids[row.id] = row
        self._bytes += row.stored_bytes

    def remove(self, row: PostgresRow) -> None:
        """Note that the session exists no more."""
        self.by_id[row.id] = None
        self._drop(row.number)
        self._kept_ids.pop(row.id, None)
        self.dirty.pop(row.number, None)

    def _drop(self, number: int) -> None:
        found = self._kept.pop(number, None)
        if found is not None:
            self._bytes -= found.stored_bytes

    def in_batch(self, row: PostgresRow) -> PostgresRow:
        """Return the row of this batch for one that was read again, which may be older."""
        found = self.by_id.get(row.id)
        return row if found is None else found

    def flush(self) -> None:
        """Write all rows that were changed, before the end of the batch."""
        self.write_sessions()
        if self.dirty:
            self._connection.fetch(_WRITE_LOGS, *self.log_arrays())

    def write_sessions(self) -> None:
        """Write the fields of the rows whose fields were changed."""
        changed = [row for row in self.dirty.values() if row.revision != row.stored_revision]
        if changed:
            self._bytes -= sum(row.stored_bytes for row in changed)
            columns = [row.session_columns() for row in changed]
            self._bytes += sum(row.stored_bytes for row in changed)
            self._connection.fetch(_WRITE_SESSIONS, *zip(*columns, strict=True))
            for row in changed:
                row.stored_revision = row.revision
            self._rewritten += changed

    def log_arrays(self) -> Sequence[Sequence[Any]]:
        """Return an array for each column of the logs of rows that were changed."""
        columns = [row.log_columns() for row in self.dirty.values()]
        return list(zip(*columns, strict=True)) if columns else [()] * (_LOG_COUNT + 1)

    def kept_arrays(self) -> Sequence[Sequence[Any]]:
        """Return the arrays of `UPDATE_LOGS`, in the order in which rows are locked."""
        rows = [self.dirty[number] for number in sorted(self.dirty)]
        columns = [
            (
                row.number,
                row.xmin,
                row.steady_active_at,
                row.last_activity,
                row.frame_count,
                row.last_seq,
                row.byte_count,
                row.odd_frames,
                row.gap_frames,
            )
            for row in rows
        ]
        return list(zip(*columns, strict=True))


def make_row(columns: Record) -> PostgresRow:
    """Make a row, for reading, of the columns of `READ_ROWS`."""
    return read_row(columns[:_SESSION_COUNT], columns[_SESSION_COUNT:])
