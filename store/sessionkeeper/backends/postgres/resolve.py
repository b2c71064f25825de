"""Looks up the outcome of an operation whose answer was lost: the command."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from ...operations.command import StoreCommand
from ...operations.tables import Tables
from ...values.errors import OutcomeUnknown
from .outcome import BatchId, was_committed
from .tables import PostgresTables

__all__ = ["Resolve"]

_PATIENCE = 1.0
"""Seconds that a transaction in progress is waited for; other commands of the batch wait, too."""


class Resolve(StoreCommand[bool], frozen=True, gc=False):
    store_wide: ClassVar[bool] = False
    batch: BatchId

    @property
    def touches(self) -> Sequence[str]:
        return ()  # it concerns an operation, not a session

    def apply(self, tables: Tables, /) -> bool:
        if not isinstance(tables, PostgresTables):
            raise NotImplementedError("only a store on a server can lose an answer")
        # Each statement of a transaction that writes sees what was committed before it.
        until = time.monotonic() + _PATIENCE
        found = was_committed(tables.connection, self.batch, until=until, is_recent=False)
        if found is None:
            raise OutcomeUnknown(str(self.batch))
        if found:
            # Something is written, so that the answer waits for what every write waits for.
            tables.changed = True
        return found
