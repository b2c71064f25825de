"""A batch of commands that only read, as one snapshot on a connection of its own.

The snapshot has every write that any process acknowledged before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from soleowner import Command, Post, Transactions

from ...operations.session_commands import GetSession, GetSessionsBatch
from ...values.errors import StoreClosed, StoreUnavailable
from .connection import GivenUp, PostgresConnection
from .errors import is_lost, must_repeat, refusal
from .looking_up import session_ids
from .tables import PostgresTables
from .writer import PostgresWriter

__all__ = ["PostgresReader"]

R = TypeVar("R")

_PAUSE = 0.05
"""Seconds before a batch is tried again."""
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresReader(Transactions[PostgresTables]):
    """Reads beside a writer, which connected before.

    It connects again when the writer did: the writer may have found another server.
    """

    def __init__(
        self,
        connection: PostgresConnection,
        tables: PostgresTables,
        writer: PostgresWriter,
        *,
        patience: float,
    ) -> None:
        self._connection = connection
        self._tables = tables
        self._writer = writer
        self._patience = patience
        self._generation = 0
        self._since = 0.0  # when the batch was first tried
        self._is_repeated = False
        self._in_transaction = False

    def open(self, post: Post, /) -> None:
        """Connect. Raises `StoreUnavailable`."""
        try:
            self._connect()
        except BaseException as error:
            self._connection.drop()
            self._connection.close()
            if isinstance(error, GivenUp):
                raise StoreClosed from None
            if not isinstance(error, Exception):
                raise
            raise refusal(error) or error from None

    def begin(self, commands: Sequence[Command[PostgresTables, Any]], /) -> None:
        """Take a snapshot, and read the sessions of the commands."""
        if not self._is_repeated:
            self._since = time.monotonic()
        if not self._connection.is_open or self._generation != self._writer.generation:
            self._connect()
        self.tidy()
        if not all(map(_only_looks_up, commands)):  # otherwise one statement reads all
            self._connection.execute(_BEGIN)
            self._in_transaction = True
        self._tables.prefetch(set(session_ids(commands)))

    def apply(self, command: Command[PostgresTables, R], /) -> R:
        """Apply one command."""
        return command.apply(self._tables)

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
        waited = time.monotonic() - self._since
        if self._connection.interrupted or waited > self._patience:
            return False
        self._connection.drop()
        time.sleep(_PAUSE)
        self._is_repeated = True
        return True

    def refuse(self, error: Exception, /) -> Callable[[], Exception] | None:
        """Return what each caller is told; None for a bug."""
        if isinstance(error, GivenUp):
            return StoreClosed
        found = refusal(error)
        return None if found is None else partial(StoreUnavailable, found.reason)

    def tidy(self) -> float | None:
        """Release the snapshot of the last batch."""
        self._is_repeated = False  # all callers may have given up between two attempts
        self.rollback()
        return None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def interrupt(self) -> None:
        """Stop waiting for the server."""
        self._connection.interrupt()

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
