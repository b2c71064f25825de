"""Export, import and copy of sessions, in bounded memory.

Rule: a session arrives completely or not at all; until then it has the tag `UNFINISHED`. Read
`json_lines` with `export_format`, `read_export` and `salvage`, then `import_session`, then
`copy_store`, `copy_session` and `copy_frames`, and `next_frames`, which notices that a log was
replaced between two pages.
"""

from __future__ import annotations

from .copy_store import CopyReport, copy_sessions
from .json_lines import (
    FORMAT_VERSION,
    MAX_LINE_BYTES,
    SALVAGED,
    UNFINISHED,
    Damage,
    DamageKind,
    MalformedExport,
    StoredSession,
    UnfinishedSession,
    export_session,
    header_line,
    import_session,
    last_line,
    read_export,
    salvage_export,
)

__all__ = [
    # from store to store
    "CopyReport",
    "copy_sessions",
    # the format of an export
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
