"""Write-behind: replies first and commits later."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from sessionkeeper.backends.sqlite.tables import SQLiteTables
from sessionkeeper.backends.sqlite.writer import SQLiteWriter
from sessionkeeper.stores.sqlite import SQLiteSessionStore
from soleowner import Command

__all__ = ["AcknowledgedBeforeCommit"]

_SOON = 0.05


class _WrittenBehind(SQLiteWriter):
    _due = 0.0

    def begin(self, commands: Sequence[Command[SQLiteTables, Any]], /) -> None:
        if not self._is_open():
            super().begin(commands)
            self._due = time.monotonic() + _SOON

    def commit(self) -> Callable[[], None] | None:
        if self._writing and time.monotonic() < self._due:
            return None
        return super().commit()

    def tidy(self) -> float | None:
        if not self._is_open():
            return super().tidy()
        told = self.commit()
        if told is not None:
            self._post(told)
        return max(0.0, self._due - time.monotonic())

    def close(self) -> None:
        if self._is_open():
            super().commit()
        super().close()

    def _is_open(self) -> bool:
        return self._connection is not None and self._connection.in_transaction


class AcknowledgedBeforeCommit(SQLiteSessionStore):
    """Lost write: if the process is killed, the last acknowledged writes are gone."""

    _writer_type: ClassVar[type[SQLiteWriter]] = _WrittenBehind

    @staticmethod
    def _reads_aside(command: Command[SQLiteTables, Any], /) -> bool:
        return False  # readers would miss what is not committed yet
