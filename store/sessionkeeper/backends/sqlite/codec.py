"""Sessions and frames as the columns of their tables, and back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

from ...frozen import FrozenDict, FrozenList
from ...records import FrameRecord
from ...rows import SessionRow
from ...session import Session
from ...states import Direction, SessionState, TransportType
from ...version import VersionState

__all__ = [
    "FRAME_COLUMNS",
    "LOG_COLUMNS",
    "SESSION_COLUMNS",
    "Columns",
    "SQLiteRow",
    "frame_columns",
    "read_frame",
    "read_row",
]

Columns: TypeAlias = tuple[Any, ...]

SESSION_COLUMNS = (
    "number, id, revision, created_at, born_at, ended_at, over_at, state, principal, fields"
)
LOG_COLUMNS = "session, over, place, active_at, last_activity, frame_count, last_seq, byte_count"
FRAME_COLUMNS = "direction, sent_at, detail, message"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Looked up in a dict: calling an enum takes five times as long.
_STATES = {state.value: state for state in SessionState}
_DIRECTIONS = (Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT)
_BLANK: dict[str, Any] = dict.fromkeys(Session.model_fields)
_CACHED = 2048  # bytes; what is larger is decoded each time, so that the cache stays small


class SQLiteRow(SessionRow):
    """A row of the batch under way; what it knows of the file makes it be written once."""

    __slots__ = ("kept_revision", "over", "place")
    kept_revision: int
    """The revision the file holds; 0 for none."""
    over: bool
    """Whether its place is one among those that ended."""
    place: int

    def session_columns(self) -> Columns:
        """What changes with a revision."""
        session = self.session
        return (
            self.number,
            session.id,
            self.revision,
            self.created_at,
            self.born_at,
            self.ended_at,
            self.over_at,
            session.state.value,
            session.principal,
            _encode(session),
        )

    def log_columns(self) -> Columns:
        """What changes with every frame."""
        return (
            self.number,
            self.over,
            self.place,
            self.active_at,
            self.last_activity,
            self.frame_count,
            self.last_seq,
            self.byte_count,
        )


def read_row(columns: Columns) -> SQLiteRow:
    """Make a row of `SESSION_COLUMNS` and `LOG_COLUMNS`."""
    number, id_, revision, created_at, born_at, ended_at, over_at, state, principal, fields = (
        columns[:10]
    )
    decode = _decode_small if len(fields) <= _CACHED else _decode
    held = decode(fields).copy()
    held["id"], held["state"], held["principal"] = id_, _STATES[state], principal
    row = SQLiteRow(
        Session.trusted(held), number=number, revision=revision, wall=created_at, steady=born_at
    )
    row.ended_at, row.over_at = ended_at, over_at
    row.kept_revision = revision
    _, over, row.place, row.active_at, row.last_activity = columns[10:15]
    row.over = bool(over)
    row.frame_count, row.last_seq, row.byte_count = columns[15:]
    return row


def frame_columns(number: int, first: int, records: Iterable[FrameRecord]) -> list[Columns]:
    """Make the columns of records: session, number, then `FRAME_COLUMNS`."""
    client = _DIRECTIONS[0]
    return [
        (
            number,
            seq,
            0 if record.direction is client else 1,
            _microseconds(record.timestamp - _EPOCH),
            record.detail,
            record.message,
        )
        for seq, record in enumerate(records, first)
    ]


def read_frame(columns: tuple[int, int, bytes | None, bytes]) -> FrameRecord:
    """Make a record of `FRAME_COLUMNS`."""
    direction, sent_at, detail, message = columns
    return FrameRecord(
        message, _DIRECTIONS[direction], _EPOCH + timedelta(microseconds=sent_at), detail
    )


def _microseconds(since: timedelta) -> int:
    """As a whole number: exact, which a float is not, and five times as fast as dividing."""
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _encode(session: Session) -> str:
    """Write what no query looks for as JSON, which a person can read in the file."""
    fields: dict[str, Any] = {"transport_type": session.transport_type}
    for name in ("failure", "client_info", "server_info", "upstream_session_id"):
        value = getattr(session, name)
        if value is not None:
            fields[name] = value
    version = session.version_state
    if version.requested or version.negotiated or version.transport:
        fields["version_state"] = (version.requested, version.negotiated, version.transport)
    if session.tags:
        fields["tags"] = sorted(session.tags)
    if session.metadata:
        fields["metadata"] = session.metadata
    return msgspec.json.encode(fields, enc_hook=_thaw).decode()


def _thaw(value: object) -> object:
    if isinstance(value, FrozenDict):
        return dict(value)
    if isinstance(value, FrozenList):
        return list(value)
    raise TypeError(type(value).__name__)


def _decode(text: str) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.json.decode(text)
    client, server = fields.get("client_info"), fields.get("server_info")
    requested, negotiated, transport = fields.get("version_state", (None, None, None))
    # In the order of the model's own fields: so a session is written out the same everywhere.
    return _BLANK | {
        "transport_type": TransportType(fields["transport_type"]),
        "failure": fields.get("failure"),
        "client_info": None if client is None else FrozenDict(client),
        "server_info": None if server is None else FrozenDict(server),
        "version_state": VersionState.trusted(
            {"requested": requested, "negotiated": negotiated, "transport": transport}
        ),
        "tags": frozenset(fields.get("tags", ())),
        "metadata": FrozenDict(fields.get("metadata", {})),
        "upstream_session_id": fields.get("upstream_session_id"),
    }


# Of a text alone, so not a cache of the file: what another process writes is another text.
_decode_small = lru_cache(maxsize=1024)(_decode)
