"""The end of a batch: its commit, and the search for its outcome if the answer is lost."""

from __future__ import annotations

import time
from typing import NamedTuple

from ...operations.counters import CounterValues
from .connection import PostgresConnection
from .counters import sum_values
from .errors import is_refused_statement, is_storage_error
from .outcome import BatchId, confirm, new_writer_id, was_committed

__all__ = ["CommitLost", "Commits", "Repeat", "WriterRow"]


class Repeat(Exception):
    """The batch has no effect, and must be applied again."""


class CommitLost(Exception):
    """Nobody knows whether the batch was committed; its text is the id of the batch."""


class WriterRow(NamedTuple):
    """What the row of a writer holds of it."""

    id: int
    batch: int
    """The number of its last batch; 0 before the first one."""
    counted: CounterValues
    """All that its batches counted."""

    def after(self, delta: CounterValues) -> WriterRow:
        """Return the row as a batch leaves it that counted `delta`."""
        return WriterRow(self.id, self.batch + 1, sum_values((self.counted, delta)))


class Commits:
    """Commits batches, one after the other, each of which has written the row of the writer.

    While the outcome of a batch is not known, nothing more is written to that row: it is what tells
    the outcome. What comes next has a new one.
    """

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection
        self.sent: BatchId | None = None
        """The batch of this attempt, once its COMMIT was sent."""
        self.begin_row()

    def begin_row(self) -> None:
        """Begin a new row: the last one is gone, or must stay as it is."""
        self.row = WriterRow(new_writer_id(), 0, CounterValues())
        """As the last commit left it."""

    def begin(self) -> None:
        """Begin an attempt."""
        self.sent = None

    def commit(self, row: WriterRow, xid: int) -> None:
        """Commit the transaction, which has written this row.

        Raises `Repeat` if it has no effect, `CommitLost`, and what asyncpg raises if the server
        refused it.
        """
        self._connection.warnings.clear()
        self.sent = batch = BatchId(row.id, row.batch, xid)
        try:
            tag = self._connection.execute("COMMIT", must_finish=True)
        except Exception as error:
            if self._connection.is_open and is_refused_statement(error):
                raise  # the server said that it is not committed
            self._settle(batch)
        else:
            if tag == "ROLLBACK":
                raise Repeat
            if tag != "COMMIT":  # what is this?
                self._settle(batch)
            elif self._connection.warnings:
                # It is committed here, but the wait for a standby was cancelled.
                self.begin_row()
                raise CommitLost(batch)
        self.row = row

    def _settle(self, batch: BatchId) -> None:
        """Find out whether a batch was committed. Raises `Repeat` if not, or `CommitLost`."""
        committed = self._look_up(batch)
        self._connection.drop()  # the next batch checks the server before it uses it
        if committed is None:
            self.begin_row()
            raise CommitLost(batch)
        if not committed:
            raise Repeat("the connection was lost before the commit: it has no effect")

    def _look_up(self, batch: BatchId) -> bool | None:
        """Tell whether a batch was committed; None if that was not found out in time."""
        until = time.monotonic() + self._connection.patience
        while not self._connection.interrupted:
            try:
                self._connection.connect()
                found = was_committed(self._connection, batch, until=until, is_recent=True)
                return None if found and not confirm(self._connection, batch) else found
            except Exception as error:
                if not is_storage_error(error) or time.monotonic() >= until:
                    return None
                self._connection.drop_and_pause()
        return None
