"""What the page shows of a session."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, cast

from ..leases import recorder_state
from ..recording.analysis.parties import client_name, client_version, server_name
from ..recording.analysis.times import started_at
from ..values.errors import short_id

if TYPE_CHECKING:
    from ..recording.analysis import CallTally
    from ..values.session import Session

__all__ = ["millis", "session_row"]

_NAME, _REDACTION = "sessionkeeper.name", "sessionkeeper.redaction"


def millis(moment: datetime) -> float:
    """Return a moment as milliseconds since 1970."""
    return round(moment.timestamp() * 1_000, 3)


def session_row(session: Session, tally: CallTally | None) -> dict[str, object]:
    """Return a session for the page. Its key is the incarnation: unlike an id, it is no secret."""
    metadata = session.metadata
    server_version = _mapping(session.server_info).get("version")
    return {
        "key": session.incarnation,
        "id": short_id(session.id),
        "name": _text(metadata.get(_NAME)),
        "client": {"name": client_name(session), "version": client_version(session)},
        "server": {"name": server_name(session), "version": _text(server_version)},
        "transport": session.transport_type.value,
        "version": session.version_state.negotiated,
        "state": session.state.value,
        "status": session.status.value,
        "failure": session.failure,
        "recorder": recorder_state(session),
        "live": not session.state.is_terminal,
        "tags": sorted(session.tags),
        "redacted": _redacted(metadata.get(_REDACTION)),
        "created": millis(started_at(session)),
        "activity": millis(session.last_activity),
        "ended": None if session.ended_at is None else millis(session.ended_at),
        "frames": session.frame_count,
        "last_seq": session.last_seq,
        "odd": session.odd_frames,
        "gaps": session.gap_frames,
        "calls": None if tally is None else tally.calls,
        "errors": None if tally is None else tally.errors,
        "exact": tally is None or tally.exact,
    }


def _redacted(manifest: object) -> int:
    """Return how many places the manifest of a session counts."""
    counts = _mapping(_mapping(manifest).get("places")).values()
    return sum(each for each in counts if isinstance(each, int))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _mapping(held: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", held) if isinstance(held, Mapping) else {}
