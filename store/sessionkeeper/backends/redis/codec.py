"""Sessions and frames as the hashes and streams of a server hold them, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha1
from typing import Any
from urllib.parse import unquote

import msgspec

from ...operations.frame_record import FrameRecord
from ...values.errors import short_id
from ...values.session import Session
from ...values.states import Direction, SessionState
from ..session_fields import fields_of, held_of, read_fields, to_json

__all__ = [
    "COUNT",
    "ENDED",
    "FIELDS",
    "HELD",
    "LAST",
    "PRINCIPAL",
    "ROW",
    "STATE",
    "Stored",
    "Unreadable",
    "decoded_id",
    "digest_of",
    "digest_of_row",
    "frame_words",
    "micros",
    "read_frames",
    "read_session",
    "session_words",
    "whole",
]

ROW = ("n", "r", "c", "a", "e", "s", "p", "d", "x", "q", "k", "z", "t", "o")
"""The fields of a session's hash, in the order every script answers them."""
REVISION, CREATED, ACTIVE, ENDED, STATE, PRINCIPAL, FIELDS, HELD, LAST, COUNT = range(1, 11)
"""Where in a row what is that Python reads."""

Stored = Sequence[Any]
"""The values of `ROW`."""

_NOT_OURS = (ValueError, TypeError, LookupError, AttributeError, OverflowError)


class Unreadable(Exception):
    """What a key of the store holds is not what this library writes there."""


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DIRECTIONS = (Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT)
_CACHED = 2048
_FROMS = {
    state: "".join([",", *(f"{each}," for each in SessionState if each.may_become(state))])
    for state in SessionState
}


def micros(moment: datetime) -> int:
    """Microseconds since the epoch, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def session_words(encoded_id: str, expected: str, session: Session) -> list[Any]:
    """Make the words by which `change.lua` and `create.lua` know what a session is to be."""
    version = session.version_state
    held = held_of(session)
    text = to_json(held) if held else b""
    return [
        encoded_id,
        expected,
        session.state.value,
        "1" if session.state.is_terminal else "",
        _FROMS[session.state],
        session.principal or "",
        version.negotiated or "",
        version.transport or "",
        sum(len(to_json(part)) for part in held.values() if part),
        to_json(fields_of(session)),
        text,
    ]


def digest_of(words: Sequence[Any]) -> str:
    """Digest what a session of these words holds, as `seen` in `rows.lua` does."""
    return _digest(words[2].encode(), words[5].encode(), words[9], words[10])


def digest_of_row(row: Stored) -> str:
    """Digest what a session holds of which these are the values of `ROW`."""
    return _digest(row[STATE], row[PRINCIPAL] or b"", row[FIELDS], row[HELD] or b"")


def read_session(session_id: str, row: Stored) -> Session:
    """Make a session of the values of `ROW`. Raises `Unreadable`."""
    try:
        fields, held = row[FIELDS], row[HELD] or b""
        decode = _decode_small if len(fields) + len(held) <= _CACHED else _decode
        values = decode(fields, held).copy()
        values["id"], values["state"] = session_id, _STATES[row[STATE]]
        principal, ended = row[PRINCIPAL], row[ENDED]
        values["principal"] = None if principal is None else principal.decode()
        values["revision"] = int(row[REVISION])
        values["last_seq"], values["frame_count"] = int(row[LAST]), int(row[COUNT])
        values["created_at"] = _EPOCH + timedelta(microseconds=int(row[CREATED]))
        values["last_activity"] = _EPOCH + timedelta(microseconds=int(row[ACTIVE]))
        values["ended_at"] = None if ended is None else _EPOCH + timedelta(microseconds=int(ended))
        return Session.trusted(values)
    except _NOT_OURS:
        raise Unreadable(f"session {short_id(session_id)!r}") from None  # it quotes what is there


def frame_words(records: Iterable[FrameRecord]) -> list[bytes]:
    """Make the words of records: a header and a message each."""
    words: list[bytes] = []
    for record in records:
        sent = (record.timestamp - _EPOCH) // _MICROSECOND
        direction = 0 if record.direction is Direction.CLIENT_TO_SERVER else 1
        words.append(_pack((direction, sent, record.detail)))
        words.append(record.message)
    return words


def read_frames(entries: Iterable[Any]) -> list[FrameRecord]:
    """Make records of the entries of a stream. Raises `Unreadable`."""
    records: list[FrameRecord] = []
    try:
        for _, (_, _, _, header, _, message) in entries:
            direction, sent, detail = _unpack(header)
            moment = _EPOCH + timedelta(microseconds=sent)
            records.append(FrameRecord(message, _DIRECTIONS[direction], moment, detail))
    except _NOT_OURS:
        raise Unreadable("a session's log") from None
    return records


def whole(value: Any) -> int:
    """Make a number of what is counted. Raises `Unreadable`."""
    try:
        return int(value)
    except _NOT_OURS:
        raise Unreadable("a number it counts") from None


def decoded_id(word: bytes) -> str:
    """Return the id that a key or a sorted set holds encoded."""
    return unquote(word.decode(errors="replace"))


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


# Of the text alone: what another process writes is another text.
_decode_small = lru_cache(maxsize=1024)(_decode)
