"""The part that reading and writing share: the attempts of a batch, and what callers are told."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from soleowner import Command, Transactions

from ...values.errors import StoreClosed, StoreUnavailable
from .connection import GivenUp, PostgresConnection
from .errors import refusal
from .tables import PostgresTables

__all__ = ["PostgresTransactions"]

R = TypeVar("R")


class PostgresTransactions(Transactions[PostgresTables]):
    """Transactions on one connection, of one thread.

    A batch that has no effect for a reason that passes is applied again, until the patience of the
    connection is over: nobody was told anything.
    """

    def __init__(self, connection: PostgresConnection, tables: PostgresTables) -> None:
        self._connection = connection
        self._tables = tables
        self._since = 0.0  # when the batch was first tried
        self._is_repeated = False  # whether the next attempt is one more of the same batch

    def begin_attempt(self) -> bool:
        """Begin an attempt; return whether it is the first one of its batch."""
        is_first, self._is_repeated = not self._is_repeated, False
        if is_first:
            self._since = time.monotonic()
        return is_first

    @property
    def is_late(self) -> bool:
        """Whether the batch was tried for so long that patience is over."""
        return time.monotonic() - self._since > self._connection.patience

    def apply(self, command: Command[PostgresTables, R], /) -> R:
        """Apply one command."""
        return command.apply(self._tables)

    def refuse(self, error: Exception, /) -> Callable[[], Exception] | None:
        """Return what each caller is told; None for a bug."""
        if isinstance(error, GivenUp):
            return StoreClosed
        found = refusal(error)
        return None if found is None else partial(StoreUnavailable, found.reason)

    def tidy(self) -> float | None:
        """Forget a batch that was to be applied again: all its callers may have given up."""
        self._is_repeated = False
        return None

    def not_opened(self, error: BaseException) -> BaseException:
        """Close, and return the exception to raise."""
        self._connection.drop()
        self._connection.close()
        answer = self.refuse(error) if isinstance(error, Exception) else None
        return error if answer is None else answer()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def interrupt(self) -> None:
        """Stop waiting for the server, unless it commits."""
        self._connection.interrupt()
