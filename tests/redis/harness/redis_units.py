"""Finds where commands and replies end in a stream of bytes, however it was cut into packets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import hiredis

__all__ = ["Unit", "UnitReader"]

_MORE = object()


@dataclass(frozen=True, slots=True)
class Unit:
    """One whole command, reply or push message on its way."""

    data: bytes = field(repr=False)
    """All its bytes."""
    command: str
    """The command's name in capitals; of a reply that of the command it answers; `>` of a push."""
    connection: int
    """The how manieth connection of the proxy it is on, from 1."""


class UnitReader:
    """Takes bytes of one direction and gives whole units back."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader(notEnoughData=_MORE)
        self.rest = b""
        """What came of a unit that is not whole yet."""

    def feed(self, data: bytes) -> Iterator[tuple[bytes, Any]]:
        """Each complete unit: its bytes, and their meaning."""
        start = 0
        while start < len(data):
            # Everything in RESP ends with a line, so at most one unit ends in a line.
            end = data.find(b"\n", start) + 1 or len(data)
            line, start = data[start:end], end
            self.rest += line
            self._reader.feed(line)
            value = self._reader.gets()
            if value is not _MORE:
                whole, self.rest = self.rest, b""
                yield whole, value
