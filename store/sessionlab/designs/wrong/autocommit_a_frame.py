"""A file in which each frame is a transaction of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec.structs import replace
from sessionkeeper.backends.sqlite.writer import SQLiteWriter
from sessionkeeper.operations import AddFrames
from sessionkeeper.stores.sqlite import SQLiteSessionStore
from soleowner import Command

__all__ = ["AutocommitAFrame"]


class _Autocommit(SQLiteWriter):
    def apply(self, command: Command[Any, Any], /) -> Any:
        if not isinstance(command, AddFrames) or not command.records:
            return super().apply(command)
        *records, last = command.records
        for record in records:
            weight = len(record.message)
            super().apply(replace(command, records=(record,), weight=weight, change=None))
            command = replace(command, expected_last_seq=None, weight=command.weight - weight)
            told = self.commit()
            if told is not None:
                self._post(told)
            self.begin((command,))
        end = super().apply(replace(command, records=(last,)))
        return range(end.stop - 1 - len(records), end.stop)


class AutocommitAFrame(SQLiteSessionStore):
    """Torn batch: if the process is killed between two frames of one call, the first one stays.

    Within the process it is invisible: the thread finishes a call before the next one.
    """

    _writer_type: ClassVar[type[SQLiteWriter]] = _Autocommit
