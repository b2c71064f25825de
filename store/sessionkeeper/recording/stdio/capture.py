"""Shows a pump's bytes to the journal, line by line, on the pump's thread."""

from __future__ import annotations

from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING

from ...values.gap import Gap
from ...values.states import Direction
from ..origin import Origin
from .lines import LineSplitter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..journal import Journal

__all__ = ["STDERR", "LineCapture", "StderrCapture"]

STDERR = "stderr"
"""The stream of a session's log that has the server's standard error."""
_TEXT, _BYTES = "text/plain; charset=utf-8", "application/octet-stream"


class LineCapture:
    """Feeds one direction into the journal. Its pump calls it on the pump's thread."""

    def __init__(self, direction: Direction, journal: Journal, *, max_line: int) -> None:
        self._direction = direction
        self._journal = journal
        self._splitter = LineSplitter(max_line)

    def feed(self, chunk: bytes, /) -> None:
        """Queue the lines that end in this chunk. Never raises."""
        try:
            if lines := self._splitter.feed(chunk):
                self._offer(lines, ended=True)
        except Exception as error:
            self._complain(error)

    def finish(self) -> None:
        """Queue what follows the last newline. Never raises."""
        try:
            last = self._splitter.finish()
            self._offer([] if last is None else [last], ended=False)
        except Exception as error:
            self._complain(error)

    def _offer(self, lines: Sequence[bytes | Gap], *, ended: bool) -> None:
        self._journal.offer(self._direction, lines, Origin(ended=ended))

    def _complain(self, error: Exception) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._journal.complain(f"recording failed: {type(error).__name__}")


class StderrCapture(LineCapture):
    """Feeds the server's standard error into the journal, as a stream of opaque lines."""

    def __init__(self, journal: Journal, *, max_line: int) -> None:
        super().__init__(Direction.SERVER_TO_CLIENT, journal, max_line=max_line)

    def _offer(self, lines: Sequence[bytes | Gap], *, ended: bool) -> None:
        for media_type, alike in groupby(lines, _media_type):
            origin = Origin(stream=STDERR, ended=ended, media_type=media_type)
            self._journal.offer(self._direction, list(alike), origin)


def _media_type(line: bytes | Gap) -> str:
    if isinstance(line, bytes):
        try:
            line.decode()
        except UnicodeDecodeError:
            return _BYTES
    return _TEXT
