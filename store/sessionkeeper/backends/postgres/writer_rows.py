"""The rows of writers that are gone: what they counted is added to one row."""

from __future__ import annotations

from .connection import PostgresConnection
from .counters import decode_values, encode_values, sum_values

__all__ = ["WINDOW", "fold_rows"]

WINDOW = 3600.0
"""Seconds after its last batch for which the row of a writer is kept: as long as `resolve` needs
it."""
BASE = 0
"""The id of the row that has what writers counted that are gone."""

_LOCK_BASE = (
    "INSERT INTO writers (id, batch, announced, xid, used_at, bytes, counters)"
    " VALUES ($1, 0, 0, '', now(), 0, $2) ON CONFLICT (id) DO UPDATE SET used_at = now()"
    " RETURNING counters"
)
_TAKE = (
    "DELETE FROM writers WHERE id IN (SELECT id FROM writers WHERE id <> $1"
    " AND (id = $2 OR used_at < now() - $3 * interval '1 second') LIMIT 1000"
    " FOR UPDATE SKIP LOCKED) RETURNING counters"
)
_HAS_OLD = (
    "SELECT EXISTS (SELECT 1 FROM writers WHERE id <> $1"
    " AND used_at < now() - $2 * interval '1 second')"
)
_ADD = "UPDATE writers SET bytes = $2, counters = $3 WHERE id = $1"


def fold_rows(connection: PostgresConnection, own: int | None = None) -> None:
    """Add up the rows of writers that were not used for `WINDOW`, and of `own`, in a transaction.

    Whoever reads the counters sees all of this or nothing. Raises what asyncpg raises.
    """
    if own is None and not connection.fetch(_HAS_OLD, BASE, WINDOW)[0][0]:
        return  # nothing is written then: it may be a role that only reads
    connection.execute("BEGIN")
    base = connection.fetch(_LOCK_BASE, BASE, encode_values(sum_values(())))[0][0]
    taken = connection.fetch(_TAKE, BASE, own, WINDOW)
    total = sum_values(decode_values(each) for each in (base, *(row[0] for row in taken)))
    connection.fetch(_ADD, BASE, total.bytes, encode_values(total))
    connection.execute("COMMIT" if taken else "ROLLBACK")
