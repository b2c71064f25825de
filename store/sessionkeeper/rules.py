"""What the operations of a store mean: duplicate, stale, numbered, refused.

Everything that changes a session or its log is here, and what changes many in `sweeping.py`. Every
rule checks first and changes last, so that an error leaves the tables as they were. Nothing here
awaits.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .errors import (
    InvalidSessionId,
    LimitExceeded,
    RevisionConflict,
    SequenceConflict,
    SessionClosed,
    SessionExists,
    SessionNotFound,
)
from .frozen import thaw
from .ids import is_session_id
from .jsonrpc import MAX_DEPTH, nests_deeper
from .limits import StoreLimits
from .records import FrameRecord
from .rows import SessionRow
from .session import Session
from .tables import Tables
from .version import VersionState

__all__ = [
    "append_frames",
    "change_session",
    "check_append",
    "check_change",
    "check_revision",
    "clear_frames",
    "create_session",
    "delete_session",
    "require",
    "require_live",
    "touch",
]


def require(tables: Tables, session_id: str) -> SessionRow:
    """Return the row of a session. Raises `SessionNotFound`, `InvalidSessionId`."""
    row = tables.find(session_id)
    if row is None:
        # Only a miss pays for the check: what was stored is well-formed.
        raise SessionNotFound(session_id) if is_session_id(session_id) else InvalidSessionId
    return row


def require_live(tables: Tables, session_id: str) -> SessionRow:
    """Return the row of a session that has not ended. Raises `SessionClosed` as well."""
    row = require(tables, session_id)
    if row.ended_at is not None:
        raise SessionClosed(session_id, row.session.state)
    return row


def create_session(tables: Tables, session: Session) -> SessionRow:
    """Add a new session. Raises `SessionExists`, `LimitExceeded`."""
    if tables.find(session.id) is not None:
        raise SessionExists(session.id)
    limits = tables.limits
    if tables.session_count >= limits.max_sessions:
        raise LimitExceeded(
            "max_sessions", current=tables.session_count, maximum=limits.max_sessions
        )
    _check_metadata(limits, None, session)
    session.version_state.check_follows(VersionState())
    row = tables.insert(session, tables.next_revision())
    tables.tally(None, session.state)
    return row


def check_revision(row: SessionRow, session: Session) -> None:
    """Raise `RevisionConflict` when the snapshot is not of the stored revision."""
    if session.revision != row.revision:
        raise RevisionConflict(session.id, expected=session.revision, current=row.revision)


def check_change(tables: Tables, row: SessionRow, session: Session) -> None:
    """Raise unless `session` may follow what is stored.

    `InvalidTransition`, `VersionConflict` or `LimitExceeded`.
    """
    before = row.session
    session.check_follows(before)
    _check_metadata(tables.limits, before, session)


def change_session(tables: Tables, row: SessionRow, session: Session) -> None:
    """Store the caller's fields of a checked session; cannot fail."""
    before = row.session.state
    row.touch(tables.clock.wall(), tables.clock.steady())
    row.change(session, tables.next_revision())
    tables.put(row)
    if before is not session.state:
        tables.tally(before, session.state)
        if row.ended_at is not None:
            tables.announce(session.id)


def delete_session(tables: Tables, row: SessionRow) -> None:
    """Remove a session and its frames; cannot fail."""
    tables.remove(row)
    tables.tally(row.session.state, None)
    tables.announce(row.session.id)


def check_append(
    tables: Tables,
    row: SessionRow,
    records: Sequence[FrameRecord],
    size: int,
    expected_last_seq: int | None,
) -> None:
    """Raise unless records of `size` bytes together may be appended.

    `SequenceConflict` or `LimitExceeded`.
    """
    if expected_last_seq is not None and expected_last_seq != row.last_seq:
        raise SequenceConflict(row.session.id, expected=expected_last_seq, current=row.last_seq)
    limits = tables.limits
    count = len(records)
    if count > limits.max_frames_per_batch:
        raise LimitExceeded(
            "max_frames_per_batch", current=count, maximum=limits.max_frames_per_batch
        )
    if size > limits.max_frame_bytes or limits.max_json_depth < MAX_DEPTH:
        _check_each(limits, records)
    if row.frame_count + count > limits.max_frames_per_session:
        raise LimitExceeded(
            "max_frames_per_session",
            current=row.frame_count,
            maximum=limits.max_frames_per_session,
        )
    if row.byte_count + size > limits.max_session_bytes:
        raise LimitExceeded(
            "max_session_bytes", current=row.byte_count, maximum=limits.max_session_bytes
        )
    if tables.total_bytes + size > limits.max_total_bytes:
        raise LimitExceeded(
            "max_total_bytes", current=tables.total_bytes, maximum=limits.max_total_bytes
        )


def append_frames(
    tables: Tables, row: SessionRow, records: Sequence[FrameRecord], size: int
) -> int:
    """Append checked records of `size` bytes together; return the last number. Cannot fail."""
    tables.append(row, records, size)
    row.last_seq += len(records)
    row.frame_count += len(records)
    row.byte_count += size
    touch(tables, row)
    tables.announce(row.session.id)
    return row.last_seq


def clear_frames(tables: Tables, row: SessionRow) -> int:
    """Remove all frames of a session; `last_seq` stays, so no number is used again."""
    removed = row.frame_count
    tables.clear(row)
    row.frame_count = row.byte_count = 0
    touch(tables, row)
    return removed


def touch(tables: Tables, row: SessionRow) -> None:
    """Note activity now; cannot fail."""
    row.touch(tables.clock.wall(), tables.clock.steady())
    tables.put(row)


def _check_each(limits: StoreLimits, records: Sequence[FrameRecord]) -> None:
    for record in records:
        size = len(record.message)
        if size > limits.max_frame_bytes:
            raise LimitExceeded("max_frame_bytes", current=size, maximum=limits.max_frame_bytes)
        # No message nests deeper than MAX_DEPTH; only a tighter limit needs another look.
        depth = limits.max_json_depth
        if depth < MAX_DEPTH and nests_deeper(record.message, depth):
            raise LimitExceeded("max_json_depth", current=depth + 1, maximum=depth)


def _check_metadata(limits: StoreLimits, before: Session | None, session: Session) -> None:
    held = (session.metadata, session.client_info, session.server_info)
    if before is not None and all(
        new is old
        for new, old in zip(
            held, (before.metadata, before.client_info, before.server_info), strict=True
        )
    ):
        return
    size = sum(len(msgspec.json.encode(thaw(part))) for part in held if part)
    if size > limits.max_metadata_bytes:
        raise LimitExceeded("max_metadata_bytes", current=size, maximum=limits.max_metadata_bytes)
