"""Standard output as a reader sees it: how wide it is, and whether it has colours.

A terminal has a width and colours. A pipe or a file has neither, so nothing is cut there, unless
COLUMNS sets a width. NO_COLOR and FORCE_COLOR decide on colours (https://no-color.org).
"""

from __future__ import annotations

import os
import sys
from textwrap import wrap
from typing import TYPE_CHECKING

from ..printing import styled
from .console import interruptible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text  # noqa: TID251 - as a type

__all__ = ["Screen", "join", "shorten"]

_NAME = 10
_NARROWEST = 20
_WIDEST = 1_000_000


class Screen:
    """Standard output. Lines are buffered; `flush` sends them, and so does the end of a command."""

    def __init__(self) -> None:
        from rich.console import Console

        console = Console(highlight=False)
        self.width: int | None = _given_width()
        """Cells of a line; None if nothing bounds them."""
        if self.width is None and sys.stdout.isatty():
            self.width = console.width
        self.coloured = console.color_system is not None and not console.no_color
        console.width = _WIDEST
        self._console: Console = console

    def print(self, line: str | Text = "") -> None:
        """Print a line, which is not wrapped; a text that is no `styled` one is escaped.

        Raises `OSError` when standard output is closed.
        """
        text = styled(line) if isinstance(line, str) else line
        with interruptible():
            if self.coloured:
                self._console.print(text, soft_wrap=True)
            else:
                sys.stdout.write(f"{text.plain}\n")

    def fit(self, text: Text) -> Text:
        """Return a line as it fits: shortened at its end."""
        return text if self.width is None else shorten(text, self.width)

    def print_field(self, name: str, value: str, style: str = "") -> None:
        """Print a name and its value. Raises `OSError`."""
        self.print(join(styled(f"{name:<{_NAME}}", "dim"), styled(value, style)))

    def note(self, text: str) -> None:
        """Print a remark below what was asked for, wrapped between words. Raises `OSError`."""
        width = max(self.width or len(text), _NARROWEST)
        for line in wrap(text, width, break_long_words=False, break_on_hyphens=False):
            self.print(styled(line, "dim"))

    def flush(self) -> None:
        """Send what was printed. Raises `OSError`."""
        with interruptible():
            sys.stdout.flush()


def join(*parts: str | Text) -> Text:
    """Join texts, each with its own style; a text that is no `styled` one is escaped."""
    joined = styled("")
    for part in parts:
        joined.append_text(styled(part) if isinstance(part, str) else part)
    return joined


def shorten(text: Text, width: int) -> Text:
    """Return a text of at most this many cells; a longer one loses its end, which becomes …."""
    if text.cell_len <= width:
        return text
    text = text[: width + 1]  # a character has at least one cell, or it was escaped
    text.truncate(width, overflow="ellipsis")
    return text


def _given_width() -> int | None:
    given = os.environ.get("COLUMNS", "")
    return int(given) if given.isascii() and given.isdecimal() and 0 < len(given) < 7 else None
