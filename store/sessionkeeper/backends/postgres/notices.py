"""Notices: what one process tells the watchers of others about a batch that it committed.

A payload is a JSON array of the writer's id (in decimal, as a string), the number of the batch, and
the ids of the sessions that changed; or null in place of the ids, if any session may have changed.
Anybody who may connect to the database can send one: what is not a notice is refused.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, cast
from zlib import crc32

import msgspec

__all__ = ["Notice", "channel_name", "decode_notice", "encode_notices"]

_MAX_BYTES = 7_500
"""Of a payload: the server refuses those of 8,000 and more."""

_MAX_IDS = 500
"""Of a batch: watchers of more are woken by one notice for all sessions."""

_MAX_INT = 2**63 - 1

_PAYLOAD = msgspec.json.Decoder(list[str | int | None])


class Notice(NamedTuple):
    """What a payload says."""

    writer_id: int
    batch: int
    ids: tuple[str, ...] | None
    """Of the sessions that changed; None if any may have."""


def channel_name(schema: str) -> str:
    """Return the channel of a store: one for each schema of a database.

    It is made of the name: a schema that a backup replaces under open stores has another oid.
    """
    return f"sessionkeeper_{crc32(schema.encode()):08x}"


def encode_notices(writer_id: int, batch: int, ids: Collection[str] | None) -> list[str]:
    """Make the payloads that announce the changes of a batch: none without ids.

    None stands for any session. Each payload is under 7,500 bytes.
    """
    if ids is None or len(ids) > _MAX_IDS:
        return [_encode(writer_id, batch, (None,)).decode()]
    if not ids:
        return []
    payload = _encode(writer_id, batch, ids)
    if len(payload) < _MAX_BYTES:
        return [payload.decode()]
    if len(ids) == 1:
        return encode_notices(writer_id, batch, None)
    listed = [*ids]
    half = len(listed) // 2
    return [
        *encode_notices(writer_id, batch, listed[:half]),
        *encode_notices(writer_id, batch, listed[half:]),
    ]


def decode_notice(payload: str) -> Notice:
    """Read a payload. Raises `ValueError`, whatever it holds."""
    items = _PAYLOAD.decode(payload)
    if len(items) < 3:
        raise ValueError("a notice has a writer, a batch and sessions")
    writer, batch, *ids = items
    if not isinstance(writer, str) or not (writer.isascii() and writer.isdecimal()):
        raise ValueError("a writer's id is a decimal number in a string")
    if not isinstance(batch, int) or not 0 <= batch <= _MAX_INT or len(writer) > 19:
        raise ValueError("a number of a notice has 63 bits")
    writer_id = int(writer)
    if writer_id > _MAX_INT:
        raise ValueError("a number of a notice has 63 bits")
    if ids == [None]:
        return Notice(writer_id, batch, None)
    if not all(isinstance(each, str) for each in ids):
        raise ValueError("an id of a session is a string")
    return Notice(writer_id, batch, tuple(cast("list[str]", ids)))


def _encode(writer_id: int, batch: int, ids: Collection[str | None]) -> bytes:
    return msgspec.json.encode([str(writer_id), batch, *ids])
