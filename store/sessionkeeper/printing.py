"""Makes texts of others safe to print: they must not control the terminal.

Everything printed passes through `printable`. The command line applies it to each line, `styled` to
each part of a table, and `PrintableStream` to what Python itself writes on stderr.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.text import Text  # noqa: TID251 - as a type

__all__ = ["PrintableStream", "styled", "printable"]


def printable(text: str, /, *, keep: str = "") -> str:
    r"""Return a text with every character escaped that does not print, except those in `keep`.

    Escaped are control characters (C0, DEL and C1, so every escape sequence), line breaks of all
    kinds, marks of direction, invisible characters and lone surrogates: ESC becomes `\x1b`.
    """
    if text.isprintable():
        return text
    return "".join(
        each
        if each.isprintable() or each in keep
        else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


def styled(text: str, style: str = "") -> Text:
    """Return a printable text for rich, which must not read markup in it."""
    from rich.text import Text  # noqa: TID251 - the one place that makes them

    return Text(printable(text), style=style)


class PrintableStream:
    """A text stream that escapes what does not print: for tracebacks, warnings and logs."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        """The stream itself, for what positions and colours."""

    def write(self, text: str) -> int:
        """Write a text; its lines and tabs stay."""
        self.stream.write(printable(text, keep="\n\t"))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write several texts, in the same way."""
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
