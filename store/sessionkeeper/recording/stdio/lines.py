"""Splits a stream of bytes into lines, in bounded memory.

Nothing here reads, writes or parses. Of a line that is too long only its size, its SHA-256 and both
ends are kept; the next one is whole again.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from ...values.gap import KEPT_BYTES, Gap

if TYPE_CHECKING:
    from typing import Protocol

    class _Hash(Protocol):
        def update(self, data: bytes | bytearray | memoryview, /) -> None: ...
        def hexdigest(self) -> str: ...


__all__ = ["TOO_LARGE", "LineSplitter"]

TOO_LARGE = "larger than the recorder takes"

_HASHED_AT_ONCE = 1024 * 1024
"""Bytes. A long line is hashed as it grows: all at once would hold its last bytes up."""


class LineSplitter:
    """Takes chunks and returns complete lines: the bytes between newlines, a final `\\r` included.

    It holds at most `max_line` bytes of an unfinished line, whatever the sizes of the chunks. A
    longer one is returned as its `Gap`.
    """

    __slots__ = ("_hash", "_hashed", "_held", "_long", "_max_line")

    def __init__(self, max_line: int) -> None:
        if max_line < 1:
            raise ValueError("max_line is at least 1")
        self._max_line = max_line
        self._begin_line()

    @property
    def held(self) -> int:
        """Number of bytes of the unfinished line."""
        return len(self._held)

    def feed(self, chunk: bytes) -> list[bytes | Gap]:
        """Take the next bytes, and return the lines that end in them, in order."""
        first, *whole = chunk.split(b"\n")
        self._hold(first)
        if not whole:
            return []
        rest = whole.pop()
        lines = [self._end_line()]
        # Lines that begin and end in this chunk need no buffer.
        for line in whole:
            lines.append(line if len(line) <= self._max_line else Gap.of(line, TOO_LARGE))
        self._hold(rest)
        return lines

    def finish(self) -> bytes | Gap | None:
        """End the stream, and return what follows the last newline, if anything does."""
        if not self._held and self._long is None:
            return None
        return self._end_line()

    def _begin_line(self) -> None:
        self._held = bytearray()
        self._hash: _Hash | None = None
        self._hashed = 0
        self._long: _LongLine | None = None

    def _hold(self, part: bytes) -> None:
        if self._long is not None:
            self._long.add(part)
        elif len(self._held) + len(part) <= self._max_line:
            self._held += part
            if len(self._held) - self._hashed >= _HASHED_AT_ONCE:
                self._take_hash()
        else:
            self._long = _LongLine(self._take_hash(), self._held)
            self._held = bytearray()
            self._long.add(part)

    def _take_hash(self) -> _Hash:
        taken = sha256() if self._hash is None else self._hash
        with memoryview(self._held) as held:
            taken.update(held[self._hashed :])
        self._hash, self._hashed = taken, len(self._held)
        return taken

    def _end_line(self) -> bytes | Gap:
        line = bytes(self._held) if self._long is None else self._long.gap()
        self._begin_line()
        return line


class _LongLine:
    """The part of a line that is kept if the line is too long."""

    def __init__(self, taken: _Hash, held: bytearray) -> None:
        self._hash = taken
        self._size = len(held)
        self._first = bytes(held[:KEPT_BYTES])
        self._last = bytes(held[-KEPT_BYTES:])

    def add(self, part: bytes) -> None:
        self._hash.update(part)
        self._size += len(part)
        self._first += part[: KEPT_BYTES - len(self._first)]
        self._last = (self._last + part[-KEPT_BYTES:])[-KEPT_BYTES:]

    def gap(self) -> Gap:
        digest = self._hash.hexdigest()
        return Gap(TOO_LARGE, self._size, digest=digest, first=self._first, last=self._last)
