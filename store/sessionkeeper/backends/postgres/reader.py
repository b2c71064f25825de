"""A batch of commands that only read, as one snapshot on a connection of its own.

The snapshot has every write that any process acknowledged before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from soleowner import Command, Post

from ...operations.session_commands import GetSession, GetSessionsBatch
from ...values.errors import StoreClosed
from .connection import PostgresConnection
from .errors import is_lost, must_repeat
from .looking_up import session_ids
from .tables import PostgresTables
from .transactions import PostgresTransactions
from .writer import PostgresWriter

__all__ = ["PostgresReader"]

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresReader(PostgresTransactions):
    """Reads beside a writer, which connected before.

    It connects again when the writer did: the writer may have found another server.
    """

    def __init__(
        self,
        connection: PostgresConnection,
        tables: PostgresTables,
        writer: PostgresWriter,
    ) -> None:
        super().__init__(connection, tables)
        self._writer = writer
        self._generation = 0
        self._in_transaction = False

    def open(self, post: Post, /) -> None:
        """Connect. Raises `StoreUnavailable`."""
        try:
            self._connect()
        except BaseException as error:
            raise self.not_opened(error) from None

    def begin(self, commands: Sequence[Command[PostgresTables, Any]], /) -> None:
        """Take a snapshot, and read the sessions of the commands."""
        self.begin_attempt()
        if not self._connection.is_open or self._generation != self._writer.generation:
            self._connect()
        self.tidy()
        if not all(map(_only_looks_up, commands)):  # otherwise one statement reads all
            self._connection.execute(_BEGIN)
            self._in_transaction = True
        self._tables.prefetch(set(session_ids(commands)))

    def commit(self) -> None:
        """End the batch; `tidy` releases the snapshot when the callers were answered."""
        self._tables.committed(None)

    def rollback(self) -> None:
        """Release the snapshot; if that fails, drop the connection."""
        self._tables.forget()
        self._release()

    def repeats(self, error: Exception, /) -> bool:
        """Whether the batch is applied again: its reason passes, and there is time left."""
        if not (is_lost(error) or must_repeat(error)):
            return False
        if self._connection.interrupted or self.is_late:
            return False
        self._connection.drop_and_pause()
        self._is_repeated = True
        return True

    def tidy(self) -> float | None:
        """Release the snapshot of the last batch."""
        self.rollback()
        return super().tidy()

    def lost(self) -> Exception:
        """A read changes nothing, so there is no unknown outcome."""
        return StoreClosed()

    def _connect(self) -> None:
        generation = self._writer.generation
        self._connection.connect()
        self._tables.forget()
        self._in_transaction = False
        self._generation = generation

    def _release(self) -> None:
        if self._in_transaction:
            self._in_transaction = False
            self._connection.roll_back()


def _only_looks_up(command: Command[PostgresTables, Any]) -> bool:
    return isinstance(getattr(command, "command", command), GetSession | GetSessionsBatch)
