"""Whether a batch was committed whose answer was lost.

Each writer has a row in `writers` with the number of its last batch, written by the batch itself,
and the id of its transaction. The server knows what became of a transaction (`pg_xact_status`);
while it is in progress, it is waited for. Then the row decides: after a failover to a server that
never had the transaction, its id may be that of another one.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import NamedTuple

from .connection import PostgresConnection

__all__ = ["BatchId", "confirm", "end_idle", "new_writer_id", "was_committed"]

_READ = "SELECT batch FROM writers WHERE id = $1"
# Of one that this server has not given yet there is no status, and to ask for it is an error, which
# would end the transaction. So a new one is taken to compare with.
_STATUS = (
    "SELECT CASE WHEN $1::text::xid8 < pg_current_xact_id() THEN pg_xact_status($1::text::xid8) END"
)
_TOUCH = "UPDATE writers SET used_at = now() WHERE id = $1 AND batch >= $2 RETURNING 1"
# It is ours, and it waits for a command: nothing that it did is wanted any more. One that runs its
# COMMIT is waited for. Without the right to end it, the server's time-out does.
_END_IDLE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE backend_xid::text = ($1::text::xid8)::xid::text AND usename = current_user"
    " AND application_name = current_setting('application_name')"
    " AND state LIKE 'idle in transaction%'"
)
_PAUSE = 0.02
_ID = re.compile(r"([0-9a-f]{16})-([0-9a-f]{1,16})-([0-9a-f]{1,16})")


class BatchId(NamedTuple):
    """What tells a batch from all others of a store."""

    writer: int
    batch: int
    """Counts the batches of a writer."""
    xid: int
    """Of its transaction; 64 bits, so that none comes twice on one server."""

    def __str__(self) -> str:
        return f"{self.writer:016x}-{self.batch:x}-{self.xid:x}"

    @classmethod
    def of(cls, text: str) -> BatchId:
        """Read what `str` wrote. Raises `ValueError`."""
        found = _ID.fullmatch(text)
        if found is None:
            raise ValueError("no store has given this id of an operation")
        batch = cls(*(int(part, 16) for part in found.groups()))
        if max(batch) >= 2**63:
            raise ValueError("no store has given this id of an operation")
        return batch


def new_writer_id() -> int:
    """Make an id: 63 random bits."""
    return secrets.randbits(63) or 1


def was_committed(
    connection: PostgresConnection, batch: BatchId, *, until: float, is_recent: bool
) -> bool | None:
    """Tell whether a batch was committed; None if nobody knows.

    Waits for a transaction in progress until that time of `time.monotonic`. With `is_recent`, the
    writer's row was not removed since the batch. Raises what asyncpg raises.
    """
    while True:
        # First its status: what ends after this question is in the row after it, too.
        status = _read_status(connection, batch.xid)
        row = connection.fetch_row(_READ, batch.writer)
        if row is not None and row[0] >= batch.batch:
            # A writer that did not learn an outcome never writes again, so it is this very batch.
            return True
        if status != "in progress":
            is_known = row is not None or is_recent or status == "aborted"
            return False if is_known else None
        end_idle(connection, batch)
        if time.monotonic() >= until:
            return None
        time.sleep(_PAUSE)


def end_idle(connection: PostgresConnection, batch: BatchId) -> None:
    """End the batch's transaction if it waits for a command; it may hold the lock on the store."""
    connection.fetch(_END_IDLE, str(batch.xid))


def confirm(connection: PostgresConnection, batch: BatchId) -> bool:
    """Make sure that a batch is as safe as one whose commit was answered; whether it is.

    After a restart, or when a wait for a synchronous standby was ended, a server shows what only it
    has. A commit behind it waits for the standby, which then has both. Raises what asyncpg raises.
    """
    connection.warnings.clear()
    return bool(connection.fetch(_TOUCH, batch.writer, batch.batch)) and not connection.warnings


def _read_status(connection: PostgresConnection, xid: int) -> str | None:
    found: str | None = connection.fetch(_STATUS, str(xid))[0][0]
    return found
