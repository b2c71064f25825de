"""Sessions as JSON Lines: a file that is independent of the store and can be imported.

A header line; for each session a line of its own and one for each of its frames, in order; an end
line, so that a file that was cut short is noticed. `export_format` defines the lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .damage import Damage, DamageKind
from .export_format import (
    FORMAT_VERSION,
    MalformedExport,
    StoredSession,
    header_line,
    last_line,
)
from .export_session import export_session
from .import_session import UNFINISHED, UnfinishedSession, import_session
from .line_reader import MAX_LINE_BYTES, lines_of
from .partial_session import SALVAGED
from .read_export import read_sessions
from .salvage import salvage_sessions

__all__ = [
    # the format
    "FORMAT_VERSION",
    "MAX_LINE_BYTES",
    "MalformedExport",
    "StoredSession",
    "header_line",
    "last_line",
    # out of a store, and into one
    "UNFINISHED",
    "UnfinishedSession",
    "export_session",
    "import_session",
    # a whole export, and a damaged one
    "SALVAGED",
    "Damage",
    "DamageKind",
    "read_export",
    "salvage_export",
]


def read_export(
    lines: Iterable[str | bytes], /, *, max_line_bytes: int = MAX_LINE_BYTES
) -> Iterator[StoredSession]:
    """Yield the sessions of an export, each only when all its lines are right.

    Raises `MalformedExport` with the number of the line.
    """
    return read_sessions(lines_of(lines, max_line_bytes))


def salvage_export(
    lines: Iterable[str | bytes], /, *, max_line_bytes: int = MAX_LINE_BYTES
) -> Iterator[StoredSession | Damage]:
    """Yield the intact part of a damaged export, and its damages, instead of raising."""
    return salvage_sessions(lines_of(lines, max_line_bytes))
