"""Recognizes a file that was given to the wrong command, by its first bytes."""

from __future__ import annotations

import codecs
import os
import re
from enum import Enum
from pathlib import Path

__all__ = ["FileKind", "kind_of_file", "refuse_other_file"]

_HEAD = 4_096


class FileKind(Enum):
    """The kinds of files, and what to do with each."""

    STORE = "a store; name it as {url}, to `ls`, `show`, `tail`, `stats`, `export` or `copy`"
    OTHER_DATABASE = "a SQLite database, but no store"
    LOG = "the log of a SQLite file; name the file itself, without -wal"
    EXPORT = "an export; `sessionkeeper import STORE {file}` reads it"
    HISTORY = "a history; `sessionkeeper check {file}` reads it"
    PAGE = "an HTML page; a browser shows it"
    BENCHMARK = "a result of `sessionkeeper bench`; a program reads it"
    COMPARISON = "a result of `sessionkeeper compare`; a program reads it"
    LISTING = "the output of a command with --json; `sessionkeeper export` writes what can be read"
    COMPRESSED = "compressed; unpack it first"
    FOLDER = "a directory"

    def describe(self, file: str) -> str:
        """Return what it is and which command reads it."""
        return self.value.format(file=file, url=f"sqlite:///{file}")


_SIGNS = tuple(
    (re.compile(sign, re.DOTALL | re.IGNORECASE), kind)
    for sign, kind in (
        (rb"SQLite format 3\0.{52}skpr", FileKind.STORE),  # its application id
        (rb"SQLite format 3\0", FileKind.OTHER_DATABASE),
        (rb"\x37\x7f\x06[\x82\x83]", FileKind.LOG),
        (rb"\x1f\x8b|PK\x03\x04|\x28\xb5\x2f\xfd|BZh|\xfd7zXZ", FileKind.COMPRESSED),
        (rb'\s*\{"format":\s*"sessionkeeper-export"', FileKind.EXPORT),
        (rb'\s*\{"format":\s*"sessionkeeper-history"', FileKind.HISTORY),
        (rb"\s*<!doctype html", FileKind.PAGE),
        (rb'\s*\{\s*"subjects":', FileKind.BENCHMARK),
        (rb'\s*\{\s*"workloads":', FileKind.COMPARISON),
        (rb'\s*\{\s*"(id|seq|sessions|ok|imported|file)":', FileKind.LISTING),
    )
)


def kind_of_file(path: str | Path) -> FileKind | None:
    """Return the kind of a file; None if it is unknown, or not a readable regular file.

    A named pipe is not opened: closing it would end its writer.
    """
    try:
        if os.path.isdir(path):
            return FileKind.FOLDER
        if not os.path.isfile(path):
            return None
        with open(path, "rb") as file:
            head = file.read(_HEAD).removeprefix(codecs.BOM_UTF8)
    except (OSError, ValueError):
        return None
    return next((kind for sign, kind in _SIGNS if sign.match(head)), None)


def refuse_other_file(path: str | Path, wanted: FileKind, *, hint: str) -> None:
    """Raise `typer.BadParameter` if a file is one of this project's, but not of the kind `wanted`.

    An unknown kind passes: its reader reports what is wrong.
    """
    kind = kind_of_file(path)
    if kind is not None and kind is not wanted:
        import typer  # a recorder imports this module, and has no use for it

        raise typer.BadParameter(f"{path} is {kind.describe(str(path))}", param_hint=hint)
