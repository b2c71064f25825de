"""Reads the sessions of an export, each only when all its lines are right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from .export_format import (
    MalformedExport,
    MalformedLine,
    StoredSession,
    check_header,
    read_frame,
    read_head,
)
from .line_reader import NotText, SourceLine
from .packed_frames import PackedFrames
from .strict_json import NotJson, read_object

__all__ = ["read_sessions", "too_long"]

R = TypeVar("R")


def read_sessions(lines: Iterator[SourceLine], /) -> Iterator[StoredSession]:
    """Yield the sessions of an export in their order.

    Raises `MalformedExport` with the number of the first line that is not what an export has there.
    """
    reader = _Reader(lines)
    reader.check(check_header, reader.next())
    sessions = 0
    while True:
        fields = reader.next()
        if "end" in fields:
            break
        yield _read_session(reader, fields)
        sessions += 1
    if fields["end"] != {"sessions": sessions}:
        raise reader.fault("sessions are missing before the end")
    if not reader.is_done():
        raise reader.fault("something follows the end")


def too_long(line: SourceLine) -> str:
    """Return the error for a line that is too long to be read."""
    return f"{line.size} bytes, more than the {line.max_bytes} that a line may have"


def _read_session(reader: _Reader, fields: dict[str, Any]) -> StoredSession:
    head, line = reader.check(read_head, fields), reader.number
    frames = PackedFrames()
    for seq in range(head.trimmed + 1, head.last + 1):
        found = reader.next()
        if found.get("seq") != seq or type(found["seq"]) is not int:
            raise reader.fault(f"frame {seq} is expected")
        frames.append(reader.check(partial(read_frame, head.session.id), found))
    return StoredSession(head.session, frames, head.trimmed, line=line)


class _Reader:
    """Reads one object after the other, with its line number."""

    def __init__(self, lines: Iterator[SourceLine]) -> None:
        self._lines = lines
        self.number = 0
        """Of the line that was read last."""

    def next(self) -> dict[str, Any]:
        """Return the next line's object. Raises `MalformedExport`."""
        try:
            line = next(self._lines, None)
        except NotText as error:
            raise MalformedExport(1, str(error)) from None
        self.number += 1
        if line is None:
            if self.number == 1:
                raise self.fault("not the first line of an export")
            raise self.fault("the export ends here without its last line")
        if line.text is None:
            raise self.fault(too_long(line))
        try:
            return read_object(line.text)
        except NotJson as error:
            raise self.fault(str(error)) from None

    def is_done(self) -> bool:
        """Whether no line is left; otherwise errors name the next line from now on."""
        self.number += 1
        return next(self._lines, None) is None

    def check(self, read: Callable[[dict[str, Any]], R], fields: dict[str, Any]) -> R:
        """Read an object. Raises `MalformedExport` for what is wrong with it."""
        try:
            return read(fields)
        except MalformedLine as error:
            raise self.fault(str(error)) from None

    def fault(self, reason: str) -> MalformedExport:
        """Return the error about this line."""
        return MalformedExport(self.number, reason)
