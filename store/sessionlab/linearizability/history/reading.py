"""Reads a history file of any known format, told apart by its content."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from ..time_limit import UNLIMITED, TimeLimit
from .jepsen import read_jepsen
from .kv_maps import read_kv_maps
from .lines import history_lines, read_history_lines
from .operation import History

__all__ = ["HistoryFormat", "read_history", "write_history"]


class HistoryFormat(StrEnum):
    """How a history file is written."""

    SESSIONKEEPER = "sessionkeeper"
    """JSON Lines, as `write_history` makes them."""
    JEPSEN = "jepsen"
    """The log of a Jepsen run on a compare-and-set register."""
    KV = "kv"
    """Key-value operations as one EDN map a line."""


_PIECE = 64 * 1024

Reader: TypeAlias = Callable[[Iterable[str], str], History]

_READERS: dict[HistoryFormat, Reader] = {
    HistoryFormat.SESSIONKEEPER: read_history_lines,
    HistoryFormat.JEPSEN: read_jepsen,
    HistoryFormat.KV: read_kv_maps,
}


def read_history(
    path: str | Path, /, *, format: HistoryFormat | None = None, limit: TimeLimit = UNLIMITED
) -> History:
    """Return the history in a file, whose format its content tells unless it is given.

    Raises `ValueError`, which names the file and the line, for what is not one; `OSError`;
    `OutOfTime` when `limit` passes, which is looked at between lines.
    """
    source = str(path)
    try:
        text = _read_bytes(path, limit).decode()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(f"{source}, line {line}: not UTF-8") from None
    if not text.strip():
        raise ValueError(f"{source}: empty")
    reader = _READERS[format or _detect_format(text, source)]
    # Not `splitlines`, which also ends a line inside a JSON text.
    history = reader(limit.watch(io.StringIO(text)), source)
    if not history.operations:
        raise ValueError(f"{source}: no operation in it")
    return history


def _read_bytes(path: str | Path, limit: TimeLimit) -> bytes:
    with open(path, "rb") as file:
        return b"".join(limit.watch(iter(lambda: file.read(_PIECE), b"")))


def write_history(history: History, path: str | Path, /) -> None:
    """Write a history as JSON Lines. It holds payloads: only its owner can read the file."""
    target = Path(path)
    target.touch(mode=0o600)
    with target.open("w", encoding="utf-8") as file:
        for line in history_lines(history):
            file.write(f"{line}\n")


def _detect_format(text: str, source: str) -> HistoryFormat:
    first = text.lstrip().partition("\n")[0]
    if first.startswith('{"'):
        return HistoryFormat.SESSIONKEEPER
    if first.startswith("{:"):
        return HistoryFormat.KV
    if "jepsen.util" in first:
        return HistoryFormat.JEPSEN
    raise ValueError(f"{source}, line 1: not a history of any known format")
