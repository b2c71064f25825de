"""Converts sessions and frames to the hashes and streams of a server, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha1
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec

from ...operations.frame_record import FrameRecord
from ...operations.session_size import tag_bytes
from ...values.clock import moment_micros, moment_of
from ...values.errors import short_id
from ...values.ids import derived_incarnation
from ...values.session import Session
from ...values.states import Direction, SessionState
from ..column_values import UNREADABLE
from ..session_fields import dump_fields, dump_metadata, read_fields, to_json

__all__ = [
    "COUNT",
    "CREATED",
    "ENDED",
    "FIELDS",
    "LAST",
    "METADATA",
    "NUMBER",
    "PRINCIPAL",
    "ROW",
    "STATE",
    "SessionArguments",
    "Stored",
    "Unreadable",
    "decode_id",
    "digest_row",
    "digest_session",
    "encode_archived",
    "encode_frames",
    "decode_frames",
    "decode_session",
    "encode_session",
    "frame_numbers",
    "read_counter",
    "read_incarnation",
]

ROW = (
    *("n", "r", "c", "a", "e", "s", "p", "d", "x", "q", "k", "z", "t", "o", "u", "g"),
    *("i", "w", "j", "v"),
)
"""The fields of a session's hash, in the order of `rows.lua`.

n number in order of creation, r revision, c creation, a last activity, e end, s state, p principal,
d the small fields as JSON, x metadata as JSON, q last sequence number, k frames in the log, z bytes
in the log, t bytes ever appended, o negotiated protocol version, u odd frames, g gaps,
i incarnation, w when it expires, j whether there is an index of streams, v bytes that
removed frames of the log had, if there are such. Times are microseconds.
"""
NUMBER, REVISION, CREATED, ACTIVE, ENDED, STATE, PRINCIPAL, FIELDS, METADATA, LAST, COUNT = range(
    11
)
ODD, GAPS, INCARNATION, EXPIRES = 14, 15, 16, 17
"""The positions in a row of the fields that Python reads."""

Stored = Sequence[Any]
"""A row: the values of the fields in `ROW`."""

_DECODE_ERRORS = (*UNREADABLE, LookupError)


class Unreadable(Exception):
    """A key of the store holds something that this library does not write there."""


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIRECTIONS = (Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT)
_CACHED = 2048
_ALLOWED_FROM = {
    state: "".join([",", *(f"{each}," for each in SessionState if each.may_become(state))])
    for state in SessionState
}
_ARCHIVED_FROM = {
    state: "".join([",", *(f"{each}," for each in SessionState if each.may_be_archived_as(state))])
    for state in SessionState
}


class SessionArguments(NamedTuple):
    """A session to be stored, in the order in which `change.lua` reads it."""

    encoded_id: str
    expected: str
    """The session it replaces: `r:` and its revision, `s:` and what a function saw, or empty."""
    state: str
    activity: str
    """`1` if that state is terminal, `-` if the change is no activity."""
    allowed_from: str
    """The states it may follow."""
    principal: str
    negotiated: str
    transport_version: str
    metadata_size: int
    tags: int
    tag_bytes: int
    fields: bytes
    metadata: bytes
    expires: str

    @property
    def size(self) -> int:
        """Bytes of its JSON."""
        return len(self.fields) + len(self.metadata)


def encode_session(
    encoded_id: str, expected: str, session: Session, *, quiet: bool = False
) -> SessionArguments:
    """Encode a session to be stored. A `quiet` change is no activity."""
    version = session.version_state
    held = dump_metadata(session)
    text = to_json(held) if held else b""
    return SessionArguments(
        encoded_id,
        expected,
        session.state.value,
        "-" if quiet else "1" if session.state.is_terminal else "",
        _ALLOWED_FROM[session.state],
        session.principal or "",
        version.negotiated or "",
        version.transport or "",
        sum(len(to_json(part)) for part in held.values() if part),
        len(session.tags),
        tag_bytes(session),
        to_json(dump_fields(session)),
        text,
        "" if session.expires_at is None else str(moment_micros(session.expires_at)),
    )


def encode_archived(encoded_id: str, expected: str, session: Session) -> SessionArguments:
    """Encode a session that is to become what it is in an archive."""
    encoded = encode_session(encoded_id, expected, session)
    return encoded._replace(allowed_from=_ARCHIVED_FROM[session.state])


def digest_session(session: SessionArguments) -> str:
    """Digest the content of an encoded session, as `is_unchanged` in `rows.lua` does."""
    return _digest(
        session.state.encode(),
        session.principal.encode(),
        session.fields,
        session.metadata,
        session.expires.encode(),
    )


def digest_row(row: Stored) -> str:
    """Digest the content of the session of a row."""
    principal, metadata, expires = (row[place] or b"" for place in (PRINCIPAL, METADATA, EXPIRES))
    return _digest(row[STATE], principal, row[FIELDS], metadata, expires)


def read_incarnation(row: Stored) -> str:
    """Return the incarnation of the session of a row; one stored without has it from its number."""
    held: bytes | None = row[INCARNATION]
    return derived_incarnation(int(row[NUMBER])) if held is None else held.decode()


def decode_session(session_id: str, row: Stored) -> Session:
    """Make a session of a row. Raises `Unreadable`."""
    try:
        fields, held = row[FIELDS], row[METADATA] or b""
        decode = _decode_small if len(fields) + len(held) <= _CACHED else _decode
        values = decode(fields, held).copy()
        values["id"], values["state"] = session_id, _STATES[row[STATE]]
        principal, ended = row[PRINCIPAL], row[ENDED]
        values["principal"] = None if principal is None else principal.decode()
        values["revision"] = int(row[REVISION])
        values["last_seq"], values["frame_count"] = int(row[LAST]), int(row[COUNT])
        values["incarnation"] = read_incarnation(row)
        values["odd_frames"], values["gap_frames"] = int(row[ODD] or 0), int(row[GAPS] or 0)
        values["created_at"] = _EPOCH + timedelta(microseconds=int(row[CREATED]))
        values["last_activity"] = _EPOCH + timedelta(microseconds=int(row[ACTIVE]))
        if (expires := row[EXPIRES]) is not None:
            values["expires_at"] = moment_of(int(expires))
        values["ended_at"] = None if ended is None else _EPOCH + timedelta(microseconds=int(ended))
        return Session.trusted(values)
    except _DECODE_ERRORS:
        raise Unreadable(
            f"session {short_id(session_id)!r}"
        ) from None  # the cause quotes the content


def encode_frames(records: Iterable[FrameRecord]) -> list[bytes]:
    """Encode records: a header and a message for each."""
    arguments: list[bytes] = []
    for record in records:
        sent = moment_micros(record.timestamp)
        direction = 0 if record.direction is Direction.CLIENT_TO_SERVER else 1
        arguments.append(_pack((direction, sent, record.detail)))
        arguments.append(record.message)
    return arguments


def decode_frames(entries: Iterable[Any]) -> list[FrameRecord]:
    """Make records of the entries of a stream. Raises `Unreadable`."""
    records: list[FrameRecord] = []
    try:
        for _, (_, _, _, header, _, message) in entries:
            direction, sent, detail = _unpack(header)
            moment = _EPOCH + timedelta(microseconds=sent)
            records.append(FrameRecord(message, _DIRECTIONS[direction], moment, detail))
    except _DECODE_ERRORS:
        raise Unreadable("a session's log") from None
    return records


def frame_numbers(entries: Iterable[Any]) -> list[int]:
    """Return the numbers of the entries of a stream. Raises `Unreadable`."""
    try:
        return [int(entry_id.partition(b"-")[0]) for entry_id, _ in entries]
    except _DECODE_ERRORS:
        raise Unreadable("a session's log") from None


def read_counter(value: Any) -> int:
    """Read a counter. Raises `Unreadable`."""
    try:
        return int(value)
    except _DECODE_ERRORS:
        raise Unreadable("a counter") from None


def decode_id(encoded: bytes) -> str:
    """Decode an id of a key or a sorted set."""
    return unquote(encoded.decode(errors="replace"))


def _digest(*parts: bytes) -> str:
    return sha1(b"\0".join(parts), usedforsecurity=False).hexdigest()


_STATES = {state.value.encode(): state for state in SessionState}
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[int, int, bytes | None]).decode


def _decode(fields: bytes, held: bytes) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.json.decode(fields)
    if held:
        values |= msgspec.json.decode(held)
    return read_fields(values)


# Cached by the text alone: what another process writes is another text.
_decode_small = lru_cache(maxsize=1024)(_decode)
