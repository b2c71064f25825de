"""Sessions and frames as the columns of their tables, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from ...operations.frame_record import FrameRecord, stream_of
from ...operations.session_row import SessionRow
from ...values.clock import moment_micros, moment_of
from ...values.picklable import Picklable
from ...values.session import Session
from ...values.states import Direction
from ..column_values import DIRECTIONS, STATES, UNREADABLE, have_dates
from ..session_fields import decode_fields, encode_fields

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
        fields = encode_fields(session)
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
        held = decode_fields(fields)
        held["id"], held["state"], held["incarnation"] = id_, STATES[state], incarnation
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
        is_valid = have_dates(created_at, row.last_activity, ended_at)
    except UNREADABLE:
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
            moment_micros(record.timestamp),
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
        timestamp, way = moment_of(sent_at), DIRECTIONS[direction]
    except UNREADABLE:
        raise DamagedRow("a frame") from None
    return FrameRecord(message, way, timestamp, detail)
