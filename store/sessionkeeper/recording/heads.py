"""Reads the few fields of JSON-RPC messages that pairing needs, without building the rest."""

from __future__ import annotations

import json
from typing import cast

import msgspec

from .pairing import Head, RequestId

__all__ = ["count_possible_answers", "read_any_heads", "read_heads"]

_MAX_ID_LENGTH = 1024
_CANCELLED = "notifications/cancelled"
_INITIALIZE = "initialize"


class _Message(msgspec.Struct, gc=False):
    # Raw fields are skipped, not built: 10 MB take 6 ms, and 94 ms with json.loads, which holds
    # the GIL all that time, so that the pumps cannot run.
    id: msgspec.Raw = msgspec.Raw()
    method: msgspec.Raw = msgspec.Raw()
    params: msgspec.Raw = msgspec.Raw()


class _Plain(msgspec.Struct, gc=False):
    # Of nearly every line; of any other, `_Message` is read.
    id: int | str | None = None
    method: str | None = None
    params: msgspec.Raw = msgspec.Raw()


_decode_plain = msgspec.json.Decoder(_Plain).decode
_decoder: msgspec.json.Decoder[_Message | list[_Message]] = msgspec.json.Decoder(
    _Message | list[_Message]
)


def read_heads(line: bytes) -> list[Head] | None:
    """Return one head per message of a line (a batch has several); None if it cannot be read."""
    try:
        plain = _decode_plain(line)
    except (RecursionError, msgspec.DecodeError):
        return read_any_heads(line)
    return [_head(plain.id, plain.method, plain.params)]


def read_any_heads(line: bytes) -> list[Head] | None:
    """Return what `read_heads` does, of any line; it takes longer."""
    try:
        read = _decoder.decode(line)
    except RecursionError:
        return None
    except msgspec.DecodeError:
        return _read_leniently(line)
    messages = [read] if isinstance(read, _Message) else read
    return [_head(_value(m.id), _value(m.method), m.params) for m in messages]


def count_possible_answers(line: bytes, *, ended: bool) -> int:
    """Return how many responses a line may hold of which nothing could be read."""
    found = line.count(b'"result"') + line.count(b'"error"')
    # Half a line at the end of the stream is no whole response, unless it shows one.
    return max(found, 1) if ended and b"{" in line else found


def _read_leniently(line: bytes) -> list[Head] | None:
    # msgspec refuses NaN, lone surrogates, a byte order mark and what is not UTF-8, which some
    # peers send. If the value is not an object, it checks only the first byte.
    try:
        read: object = json.loads(line.decode("utf-8-sig", errors="replace"))
    except (RecursionError, ValueError):
        return None
    messages = cast("list[object]", read) if isinstance(read, list) else [read]
    heads: list[Head] = []
    for message in messages:
        if isinstance(message, dict):
            fields = cast("dict[str, object]", message)
            heads.append(_head(fields.get("id"), fields.get("method"), fields.get("params")))
    return heads


def _head(request_id: object, method: object, params: object) -> Head:
    cancels = None
    if method == _CANCELLED:
        fields = _value(params) if isinstance(params, msgspec.Raw) else params
        if isinstance(fields, dict):
            cancels = _as_id(cast("dict[str, object]", fields).get("requestId"))
    return Head(_as_id(request_id), isinstance(method, str), method == _INITIALIZE, cancels)


def _value(raw: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(raw) if raw else None
    except (msgspec.DecodeError, RecursionError):
        return None


def _as_id(value: object) -> RequestId | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if value != value:  # noqa: PLR0124 - NaN, which some encoders write, is not equal to itself
        return None
    return None if isinstance(value, str) and len(value) > _MAX_ID_LENGTH else value
