"""Reads lines of bounded size from a file, each with its number and its offset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

__all__ = ["MAX_LINE_BYTES", "NotText", "SourceLine", "lines_of", "read_lines"]

MAX_LINE_BYTES = 128 * 1024 * 1024
"""The maximum length of a line of an export, unless a frame has more than about 90 MiB. The
largest frames are in Base64 where their text would be longer."""

_CHUNK = 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_KINDS = {
    b"\x1f\x8b": "compressed with gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ\0": "compressed with xz",
    b"\x04\x22\x4d\x18": "compressed with lz4",
    b"PK\x03\x04": "a zip archive",
    b"SQLite format 3\0": "a SQLite database",
    b"\xff\xfe": "UTF-16, not UTF-8",
    b"\xfe\xff": "UTF-16, not UTF-8",
}


class NotText(Exception):
    """The bytes are not text; the error says what they are."""


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One line of a file."""

    number: int
    """From 1."""
    offset: int
    """Bytes before it."""
    size: int
    """Bytes with its end."""
    text: bytes | None
    """Bytes without its end; None if it is too long to be read."""
    max_bytes: int
    """The maximum bytes of a line."""


def read_lines(stream: BinaryIO, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[SourceLine]:
    """Yield the lines of a file, never more than `max_line_bytes` of one in memory.

    A byte order mark before the first line is skipped. Raises `NotText` for compressed files and
    databases, and what reading raises.
    """
    offset, number = 0, 0
    while True:
        text, size = _read_line(stream, max_line_bytes)
        if not size:
            return
        number += 1
        if number == 1 and text is not None:
            _refuse_binary(text)
            text = text.removeprefix(_BOM)
        yield SourceLine(number, offset, size, text, max_line_bytes)
        offset += size


def lines_of(
    lines: Iterable[str | bytes], max_line_bytes: int = MAX_LINE_BYTES
) -> Iterator[SourceLine]:
    """Yield lines that are in memory already, as `read_lines` does."""
    offset = 0
    for number, line in enumerate(lines, 1):
        text = line.encode(errors="surrogatepass") if isinstance(line, str) else bytes(line)
        size = len(text) if text.endswith(b"\n") else len(text) + 1
        text = text.rstrip(b"\r\n")
        text = text.removeprefix(_BOM) if number == 1 else text
        kept = text if len(text) <= max_line_bytes else None
        yield SourceLine(number, offset, size, kept, max_line_bytes)
        offset += size


def _read_line(stream: BinaryIO, maximum: int) -> tuple[bytes | None, int]:
    """Return the next line without its end, None if it is too long, and the size of all of it."""
    parts: list[bytes] = []
    size = 0
    while part := stream.readline(_CHUNK):
        size += len(part)
        if size <= maximum:
            parts.append(part)
        else:
            parts.clear()  # counted to its end, and not kept
        if part.endswith(b"\n"):
            break
    return (b"".join(parts).rstrip(b"\r\n") if size <= maximum else None), size


def _refuse_binary(text: bytes) -> None:
    for beginning, kind in _KINDS.items():
        if text.startswith(beginning):
            raise NotText(f"the file is {kind}")
