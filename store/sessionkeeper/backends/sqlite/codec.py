"""Sessions and frames as the columns of their tables, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from ...operations.frame_record import FrameRecord
from ...operations.session_row import SessionRow
from ...values.clock import moment_micros, moment_of
from ...values.ids import derived_incarnation
from ...values.session import Session
from ...values.states import Direction
from ..column_values import DIRECTIONS, STATES, UNREADABLE, have_dates
from ..session_fields import decode_fields, encode_fields
from .errors import corruption_error

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
    "number, id, revision, created_at, steady_created_at, ended_at, steady_ended_at, state,"
    " principal, fields, incarnation, expires_at"
)
LOG_COLUMNS = (
    "session, ended, position, steady_active_at, last_activity, frame_count, last_seq, byte_count,"
    " odd_frames, gap_frames"
)
FRAME_COLUMNS = "direction, sent_at, detail, message"


class SQLiteRow(SessionRow):
    """A row of a batch, and what the file holds of it."""

    __slots__ = ("ended", "position", "stored_bytes", "stored_revision")
    stored_revision: int
    """The revision in the file; 0 for none."""
    stored_bytes: int
    """Of its fields in the file, about."""
    ended: bool
    """Whether `position` is in the order of ends; otherwise it is in the order of activity."""
    position: int

    def session_columns(self) -> Columns:
        """The columns that change with a revision."""
        session = self.session
        fields = encode_fields(session)
        self.stored_bytes = len(fields)
        return (
            self.number,
            session.id,
            self.revision,
            self.created_at,
            self.steady_created_at,
            self.ended_at,
            self.steady_ended_at,
            session.state.value,
            session.principal,
            fields,
            self.incarnation,
            None if session.expires_at is None else moment_micros(session.expires_at),
        )

    def log_columns(self) -> Columns:
        """The columns that change with every frame."""
        return (
            self.number,
            self.ended,
            self.position,
            self.steady_active_at,
            self.last_activity,
            self.frame_count,
            self.last_seq,
            self.byte_count,
            self.odd_frames,
            self.gap_frames,
        )


def read_row(columns: Columns) -> SQLiteRow:
    """Make a row of `SESSION_COLUMNS` and `LOG_COLUMNS`.

    Raises `sqlite3.DatabaseError` for a damaged row: SQLite has no checksums, and such a row must
    not look like a bug.
    """
    try:
        (
            number,
            id_,
            revision,
            created_at,
            steady_created_at,
            ended_at,
            steady_ended_at,
            state,
            principal,
            fields,
            incarnation,
            expires_at,
        ) = columns[:12]
        _, ended, position, steady_active_at, last_activity, *counts = columns[12:]
        frame_count, last_seq, byte_count, odd_frames, gap_frames = counts
        held = decode_fields(fields)
        held["id"], held["state"], held["principal"] = id_, STATES[state], principal
        # A session of a file before version 7 has none.
        held["incarnation"] = derived_incarnation(number) if incarnation is None else incarnation
        if expires_at is not None:
            held["expires_at"] = moment_of(expires_at)
        is_valid = (
            type(id_) is type(held["incarnation"]) is str
            and (principal is None or type(principal) is str)
            # A text among them raises, and a float makes the sum a float.
            and type(number + revision + position + sum(counts)) is int
            and (expires_at is None or type(expires_at) is int)
            and type(steady_created_at + steady_ended_at + steady_active_at) is float
            and 0 <= frame_count <= last_seq
            and 0 <= odd_frames <= last_seq - gap_frames <= last_seq
            and have_dates(created_at, last_activity, ended_at)
        )
    except UNREADABLE:
        raise corruption_error("a session") from None
    if not is_valid:
        raise corruption_error("a session")
    row = SQLiteRow(
        Session.trusted(held),
        incarnation=held["incarnation"],
        number=number,
        revision=revision,
        wall=created_at,
        steady=steady_created_at,
    )
    row.ended_at, row.steady_ended_at = ended_at, steady_ended_at
    row.stored_revision, row.stored_bytes = revision, len(fields)
    row.ended, row.position = bool(ended), position
    row.steady_active_at, row.last_activity = steady_active_at, last_activity
    row.frame_count, row.last_seq, row.byte_count = frame_count, last_seq, byte_count
    row.odd_frames, row.gap_frames = odd_frames, gap_frames
    return row


def frame_columns(number: int, first: int, records: Iterable[FrameRecord]) -> list[Columns]:
    """Make the columns of records: session, number, then `FRAME_COLUMNS`."""
    client = Direction.CLIENT_TO_SERVER
    return [
        (
            number,
            seq,
            0 if record.direction is client else 1,
            moment_micros(record.timestamp),
            record.detail,
            record.message,
        )
        for seq, record in enumerate(records, first)
    ]


def read_frame(columns: tuple[int, int, bytes | None, bytes]) -> FrameRecord:
    """Make a record of `FRAME_COLUMNS`. Raises `sqlite3.DatabaseError` for a damaged one."""
    direction, sent_at, detail, message = columns
    try:
        timestamp, way = moment_of(sent_at), DIRECTIONS[direction]
    except UNREADABLE:
        raise corruption_error("a frame") from None
    if type(message) is not bytes or not (detail is None or type(detail) is bytes):
        raise corruption_error("a frame")
    return FrameRecord(message, way, timestamp, detail)
