"""Splits a stream of bytes into lines, in bounded memory.

Nothing here reads, writes or parses. A line that is too long is skipped; the next one is not.
"""

from __future__ import annotations

__all__ = ["LineSplitter"]


class LineSplitter:
    """Takes chunks and returns complete lines: the bytes between newlines without a final `\\r`.

    It holds at most `max_line` bytes of an unfinished line, whatever the sizes of the chunks.
    """

    __slots__ = ("_held", "_max_line", "_overlong", "oversized")

    def __init__(self, max_line: int) -> None:
        if max_line < 1:
            raise ValueError("max_line is at least 1")
        self._max_line = max_line
        self._held = bytearray()
        self._overlong = False
        self.oversized = 0

    @property
    def held(self) -> int:
        """Number of bytes of the unfinished line."""
        return len(self._held)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next bytes, and return the lines that end in them, in order."""
        first, *whole = chunk.split(b"\n")
        self._hold(first)
        if not whole:
            return []
        rest = whole.pop()
        begun = self._end_line()
        lines = [] if begun is None else [begun]
        # Lines that begin and end in this chunk need no buffer.
        ended = [part.removesuffix(b"\r") for part in whole]
        fitting = [line for line in ended if len(line) <= self._max_line]
        self.oversized += len(ended) - len(fitting)
        self._hold(rest)
        return lines + fitting

    def finish(self) -> bytes | None:
        """End the stream, and return the last line if it has no newline."""
        if not self._held and not self._overlong:
            return None
        return self._end_line()

    def _hold(self, part: bytes) -> None:
        # The one byte over the limit may be the "\r" that does not count.
        if self._overlong or len(self._held) + len(part) > self._max_line + 1:
            self._overlong = True
            self._held = bytearray()
        else:
            self._held += part

    def _end_line(self) -> bytes | None:
        line, overlong = bytes(self._held).removesuffix(b"\r"), self._overlong
        self._held = bytearray()
        self._overlong = False
        if overlong or len(line) > self._max_line:
            self.oversized += 1
            return None
        return line
