"""Shows a pump's bytes to the journal, line by line, on the pump's thread."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ..origin import Origin
from .lines import LineSplitter

if TYPE_CHECKING:
    from ...values.states import Direction
    from ..journal import Journal

__all__ = ["LineCapture"]


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
                self._journal.offer(self._direction, lines)
        except Exception as error:
            self._complain(error)

    def finish(self) -> None:
        """Queue what follows the last newline. Never raises."""
        try:
            last = self._splitter.finish()
            self._journal.offer(
                self._direction, [] if last is None else [last], Origin(ended=False)
            )
        except Exception as error:
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._journal.complain(f"recording failed: {type(error).__name__}")
