"""Reads server-sent events from the bytes of a stream.

Source: WHATWG HTML, "Server-sent events".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...values.gap import Gap
from ..budget import Budget
from .collector import Collector

__all__ = ["Event", "EventReader"]

_LF, _CR = 10, 13
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONGEST_FIELD = 8192
"""Bytes of a line other than data; a longer one is ignored."""
_LONGEST_RETRY = 15


class Event(NamedTuple):
    """One event. Its data are the exact bytes, with a line feed between two lines of them."""

    data: bytes | Gap
    id: str | None
    type: str | None
    retry: int | None


class EventReader:
    """Takes the parts of a stream, and yields the events that end in them.

    An event with neither data, nor id, nor retry is none: a comment that keeps a connection open.
    """

    def __init__(self, limit: int, budget: Budget) -> None:
        self._data = Collector(limit, budget)
        self._line = bytearray()
        """The beginning of a line that is not complete, unless it is one of data."""
        self._in_data = self._after_cr = self._ignored = False
        self._at_start = True
        self._forget_event()

    def _forget_event(self) -> None:
        self._lines_of_data = 0
        self._id: str | None = None
        self._type: str | None = None
        self._retry: int | None = None

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that end in the next bytes."""
        if self._at_start:
            chunk = self._without_mark(chunk)
        at = 1 if self._after_cr and chunk[:1] == b"\n" else 0
        if chunk:
            self._after_cr = False
        lf = cr = at - 1
        while at < len(chunk):
            # Each is searched for once: a long stream has no carriage return at all.
            if lf < at:
                lf = _find(chunk, b"\n", at)
            if cr < at:
                cr = _find(chunk, b"\r", at)
            end = min(lf, cr)
            if end == len(chunk):
                self._begin_line(chunk[at:])
                return
            if (event := self._end_line(chunk[at:end])) is not None:
                yield event
            at = end + 1
            if chunk[end] == _CR:
                if at == len(chunk):
                    self._after_cr = True
                elif chunk[at] == _LF:
                    at += 1

    def finish(self) -> bytes | Gap | None:
        """Return the data of an event that the stream ended in; None if there are none."""
        return self._data.take() if self._data.size else None

    def _without_mark(self, chunk: bytes) -> bytes:
        held = bytes(self._line) + chunk
        self._line.clear()
        if len(held) < 3 and _BYTE_ORDER_MARK.startswith(held):
            self._line += held
            return b""
        self._at_start = False
        return held.removeprefix(_BYTE_ORDER_MARK)

    def _begin_line(self, part: bytes) -> None:
        if self._in_data:
            self._data.add(part)
        elif not self._ignored:
            self._line += part
            if len(self._line) > 5 and self._line.startswith(b"data:"):
                self._in_data = True
                self._begin_data(bytes(self._line[5:]))
                self._line.clear()
            elif len(self._line) > _LONGEST_FIELD:
                self._ignored = True
                self._line.clear()

    def _end_line(self, part: bytes) -> Event | None:
        if self._in_data:
            self._data.add(part)
            self._in_data = False
            return None
        if self._line:
            part = bytes(self._line) + part
            self._line.clear()
        ignored, self._ignored = self._ignored, False
        if ignored:
            return None
        if not part:
            return self._dispatch()
        self._read_field(part)
        return None

    def _read_field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._begin_data(value)
            return
        text = value.removeprefix(b" ").decode(errors="replace")
        if name == b"event":
            self._type = text
        elif name == b"id" and "\0" not in text:
            self._id = text
        elif name == b"retry" and text.isascii() and text.isdigit():
            self._retry = int(text) if len(text) <= _LONGEST_RETRY else None

    def _begin_data(self, value: bytes) -> None:
        if self._lines_of_data:
            self._data.add(b"\n")
        self._lines_of_data += 1
        self._data.add(value.removeprefix(b" "))

    def _dispatch(self) -> Event | None:
        event = Event(self._data.take(), self._id, self._type or None, self._retry)
        self._forget_event()
        is_comment = event.data == b"" and event.id is None and event.retry is None
        return None if is_comment else event


def _find(chunk: bytes, end: bytes, at: int) -> int:
    found = chunk.find(end, at)
    return len(chunk) if found < 0 else found
