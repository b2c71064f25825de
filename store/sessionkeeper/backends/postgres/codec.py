"""Sessions and frames as the columns of their tables, and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

from ...operations.frame_record import FrameRecord, stream_of
from ...operations.session_row import SessionRow
from ...values.clock import moment_micros, moment_of
from ...values.picklable import Picklable
from ...values.session import Session
from ...values.states import Direction, SessionState
from ..session_fields import dump_fields, dump_metadata, read_fields, to_json

__all__ = [
    "FRAME_COLUMNS",
    "LOG_COLUMNS",
    "SESSION_COLUMNS",
    "Columns",
    "DamagedRow",
    "PostgresRow",
    "frame_columns",
    "read_frame",
    "read_row",
]

Columns: TypeAlias = Sequence[Any]
"""A row of a result, or the values of a row that is written."""

SESSION_COLUMNS = (
    "number, sessions.revision, created_at, steady_created_at, ended_at, steady_ended_at,"
    " expires_at, id, state, incarnation, principal, fields"
)
LOG_COLUMNS = (
    "session, logs.revision, steady_active_at, last_activity, frame_count, last_seq, byte_count,"
    " odd_frames, gap_frames"
)
FRAME_COLUMNS = "direction, sent_at, detail, message"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Looked up in a dict: calling an enum takes five times as long.
_STATES = {state.value: state for state in SessionState}
_DIRECTIONS = {0: Direction.CLIENT_TO_SERVER, 1: Direction.SERVER_TO_CLIENT}
_FIRST, _LAST = -62_135_596_800.0, 253_402_300_799.0  # the years 1 to 9999
# The errors of reading a damaged value.
_UNREADABLE = (
    AttributeError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    msgspec.MsgspecError,
)
_CACHED = 2048  # maximum bytes of a cached value, so that the cache stays small


class DamagedRow(Picklable, Exception):
    """A row that this library did not write so. It must not look like a bug, or like a refusal."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the database is damaged: {what} cannot be read")


class PostgresRow(SessionRow):
    """A row of a batch, and what the server holds of it."""

    __slots__ = ("fields_xmin", "stored_bytes", "stored_revision", "xmin")
    xmin: int
    """The transaction that wrote the log's row: another one if anybody wrote it since."""
    fields_xmin: int
    """The same of the row of the session's fields."""
    stored_revision: int
    """The revision on the server; 0 for none."""
    stored_bytes: int
    """Of its fields on the server, about."""

    def session_columns(self) -> Columns:
        """Return the values of `SESSION_COLUMNS`."""
        session = self.session
        fields = to_json(dump_fields(session) | dump_metadata(session)).decode()
        self.stored_bytes = len(fields)
        principal = session.principal
        return (
            self.number,
            self.revision,
            self.created_at,
            self.steady_created_at,
            self.ended_at,
            self.steady_ended_at,
            None if session.expires_at is None else moment_micros(session.expires_at),
            session.id,
            session.state.value,
            self.incarnation,
            None if principal is None else principal.encode(),
            fields,
        )

    def log_columns(self) -> Columns:
        """Return the values of `LOG_COLUMNS`, and whether the session has ended."""
        return (
            self.number,
            self.revision,
            self.steady_active_at,
            self.last_activity,
            self.frame_count,
            self.last_seq,
            self.byte_count,
            self.odd_frames,
            self.gap_frames,
            self.ended_at is not None,
        )

    def take_log(self, columns: Columns) -> None:
        """Take over the values of `LOG_COLUMNS`; the session's fields are still right."""
        _, _, self.steady_active_at, last_activity, *counts = columns
        self.frame_count, self.last_seq, self.byte_count, self.odd_frames, self.gap_frames = counts
        self.touch(last_activity, self.steady_active_at)


def read_row(columns: Columns, log: Columns) -> PostgresRow:
    """Make a row of the values of `SESSION_COLUMNS` and `LOG_COLUMNS`, written by nobody.

    Raises `DamagedRow` for a damaged row: it must not look like a bug.
    """
    (
        number,
        revision,
        created_at,
        steady_created_at,
        ended_at,
        steady_ended_at,
        expires_at,
        id_,
        state,
        incarnation,
        principal,
        fields,
    ) = columns
    try:
        held = (_decode_small if len(fields) <= _CACHED else _decode)(fields).copy()
        held["id"], held["state"], held["incarnation"] = id_, _STATES[state], incarnation
        held["principal"] = None if principal is None else principal.decode()
        if expires_at is not None:
            held["expires_at"] = moment_of(expires_at)
        row = PostgresRow(
            Session.trusted(held),
            incarnation=incarnation,
            number=number,
            revision=revision,
            wall=created_at,
            steady=steady_created_at,
        )
        row.take_log(log)
        is_valid = (
            _FIRST <= created_at <= _LAST
            and _FIRST <= row.last_activity <= _LAST
            and (ended_at is None or _FIRST <= ended_at <= _LAST)
        )
    except _UNREADABLE:
        raise DamagedRow("a session") from None
    if not is_valid:
        raise DamagedRow("a session")
    row.ended_at, row.steady_ended_at = ended_at, steady_ended_at
    row.stored_revision, row.stored_bytes = revision, len(fields)
    row.xmin = row.fields_xmin = 0
    return row


def frame_columns(number: int, first: int, records: Sequence[FrameRecord]) -> list[Columns]:
    """Make the values of records: session, number, time, direction, message, detail, stream."""
    client = Direction.CLIENT_TO_SERVER
    return [
        (
            number,
            seq,
            _microseconds(record.timestamp - _EPOCH),
            0 if record.direction is client else 1,
            record.message,
            record.detail,
            None if (stream := stream_of(record.detail)) is None else stream.encode(),
        )
        for seq, record in enumerate(records, first)
    ]


def read_frame(columns: Columns) -> FrameRecord:
    """Make a record of `FRAME_COLUMNS`. Raises `DamagedRow` for a damaged one."""
    direction, sent_at, detail, message = columns
    try:
        timestamp, way = _EPOCH + timedelta(microseconds=sent_at), _DIRECTIONS[direction]
    except _UNREADABLE:
        raise DamagedRow("a frame") from None
    return FrameRecord(message, way, timestamp, detail)


def _microseconds(since: timedelta) -> int:
    """Return whole microseconds: exact, unlike a float, and five times as fast as a division."""
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _decode(text: str) -> dict[str, Any]:
    return read_fields(msgspec.json.decode(text))


# Cached by the text alone, so it never hides what another process writes.
_decode_small = lru_cache(maxsize=1024)(_decode)
