"""The statement that writes what a batch changed, before its commit.

One statement, as each takes a round trip. Only what changes seldom has statements of its own.
"""

from __future__ import annotations

from typing import NamedTuple

from .commits import WriterRow
from .connection import PostgresConnection
from .counters import encode_values
from .frames import INSERT_FRAMES
from .notices import encode_notices
from .rows import UPDATE_LOGS, WRITE_LOGS
from .tables import PostgresTables

__all__ = ["Written", "write_batch"]

_WRITER = (
    "id, batch, announced, xid, used_at, bytes, counters",
    "$1::bigint, $2::bigint, CASE WHEN $4 THEN $2 ELSE 0 END, pg_current_xact_id()::text, now(),"
    " $5::bigint, $6::bytea",
)
_FIRST_BATCH = (
    f"INSERT INTO writers ({_WRITER[0]}) SELECT {_WRITER[1]} WHERE $3::bigint = 0 RETURNING 1"
)
_NEXT_BATCH = (
    "UPDATE writers SET batch = $2, announced = CASE WHEN $4 THEN $2 ELSE announced END,"
    " xid = pg_current_xact_id()::text, used_at = now(), bytes = $5, counters = $6"
    " WHERE id = $1 AND batch = $3 RETURNING 1"
)
_FRAMES = INSERT_FRAMES.format(*(f"${place}" for place in range(9, 16)))
_LOGS = WRITE_LOGS.format(*(f"${place}" for place in range(16, 26)))
_KEPT_LOGS = UPDATE_LOGS.format(*(f"${place}" for place in range(16, 25)))
_ANSWER = (
    " SELECT (SELECT count(*) FROM own), pg_current_xact_id()::xid, pg_current_xact_id()::text,"
    " (SELECT coalesce(sum(bytes), 0)::bigint FROM writers), (SELECT count(*) FROM writers),"
    " (SELECT version FROM meta),"
    " (SELECT count(pg_notify($7, notice)) FROM unnest($8::text[]) AS notice"
    " WHERE EXISTS (SELECT 1 FROM watchers WHERE id <> $1 AND until > now()))"
)
_WRITE_FIRST, _WRITE_NEXT = (
    f"WITH own AS ({own}), new_frames AS ({_FRAMES}), new_logs AS ({_LOGS}){_ANSWER}, 0"
    for own in (_FIRST_BATCH, _NEXT_BATCH)
)
# The logs first: whoever waits for a row waits before it has written a frame of the same number.
_WRITE_KEPT = (
    f"WITH own AS ({_NEXT_BATCH}), new_logs AS ({_KEPT_LOGS}),"  # noqa: S608 - ours
    f" new_frames AS ({_FRAMES} WHERE (SELECT count(*) FROM new_logs) = cardinality($16))"
    f"{_ANSWER}, (SELECT count(*) FROM new_logs)"
)
_COUNT_OWN = (
    "INSERT INTO principals (principal, sessions)"
    " SELECT * FROM unnest($1::bytea[], $2::bigint[])"
    " ON CONFLICT (principal) DO UPDATE SET sessions = principals.sessions + excluded.sessions"
)
_DROP_ABSENT = "DELETE FROM principals WHERE principal = ANY($1::bytea[]) AND sessions = 0"


class Written(NamedTuple):
    """What the server says of a batch that was written."""

    xmin: int
    """The transaction as rows show it."""
    xid: int
    """The transaction, in 64 bits."""
    total_bytes: int
    """Bytes of all messages in the store, without this batch."""
    writers: int
    """Rows of writers, without a new one."""
    version: int | None
    """Of the tables: another one if a newer library has changed them; None if nothing says so."""
    is_whole: bool
    """False if somebody else changed a row that the batch took as it was kept; then roll back."""


def write_batch(
    connection: PostgresConnection,
    tables: PostgresTables,
    row: WriterRow,
    *,
    channel: str,
    are_kept: bool,
) -> Written | None:
    """Write all that a batch changed; None if the writer's row is not as the last batch left it.

    With `are_kept`, its rows are not locked yet, and only their logs were changed.

    Raises what asyncpg raises.
    """
    tables.rows_of_batch.write_sessions()
    if tables.created:
        connection.fetch("UPDATE meta SET last_number = $1", tables.last_number)
    grown = {name: by for name, by in sorted(tables.own_sessions.items()) if by}
    if grown:
        names = [name.encode() for name in grown]
        connection.fetch(_COUNT_OWN, names, list(grown.values()))
        connection.fetch(_DROP_ABSENT, names)
    last_batch = row.batch - 1
    rows = tables.rows_of_batch
    logs = rows.kept_arrays() if are_kept else rows.log_arrays()
    found = connection.fetch(
        _WRITE_KEPT if are_kept else _WRITE_NEXT if last_batch else _WRITE_FIRST,
        row.id,
        row.batch,
        last_batch,
        bool(tables.announced),
        row.counted.bytes,
        encode_values(row.counted),
        channel,
        encode_notices(row.id, row.batch, tables.announced),
        *tables.frames.take_pending(),
        *logs,
    )
    is_written, xmin, xid, total_bytes, writers, version, _, updated = found[0]
    if not is_written:
        return None
    is_whole = not are_kept or updated == len(rows.dirty)
    return Written(xmin, int(xid), total_bytes, writers, version, is_whole)
