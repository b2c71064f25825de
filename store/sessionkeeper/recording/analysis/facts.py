"""What the messages of a frame say, as far as calls are concerned; large parts are never built.

A frame that is no valid message is read leniently, because a peer may have understood it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

import msgspec

from ...values.jsonrpc import is_batch
from ...values.message import MessageEnvelope
from ...values.oddities import GAP, REMOVED
from .call import MAX_TEXT, CallId

__all__ = ["MessageFacts", "read_facts"]

_MAX_ID = 1024
"""Characters of an id; a longer one is treated as none, so that no peer can fill the memory."""
_MAX_ERROR_TEXT = 200
_ARRAY = 0x5B

_UNSET = msgspec.UNSET
_READ_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class MessageFacts(msgspec.Struct, frozen=True, gc=False):
    """One message."""

    size: int
    """Bytes."""
    id: CallId | None = None
    method: str | None = None
    """None for a response."""
    name: str | None = None
    token: CallId | None = None
    """The progress token: that a request sets, or that of a progress notification."""
    cancels: CallId | None = None
    """The id of the request that a notification cancels."""
    is_error: bool = False
    """Whether it is a JSON-RPC error."""
    is_tool_error: bool = False
    error_code: int | None = None
    error_text: str | None = None


class _Meta(msgspec.Struct, gc=False):
    token: int | float | str | None = msgspec.field(name="progressToken", default=None)


class _Ref(msgspec.Struct, gc=False):
    name: str | None = None
    uri: str | None = None


class _Params(msgspec.Struct, gc=False):
    name: str | None = None
    uri: str | None = None
    ref: _Ref | None = None
    meta: _Meta | None = msgspec.field(name="_meta", default=None)
    token: int | float | str | None = msgspec.field(name="progressToken", default=None)
    request: int | float | str | None = msgspec.field(name="requestId", default=None)


class _Result(msgspec.Struct, gc=False):
    is_error: bool = msgspec.field(name="isError", default=False)
    content: msgspec.Raw = msgspec.Raw()


class _Error(msgspec.Struct, gc=False):
    code: int | None = None
    message: str | None = None


class _Message(msgspec.Struct, gc=False):
    id: int | float | str | None = None
    method: str | None = None
    params: _Params | None = None
    result: _Result | None = None
    error: _Error | msgspec.UnsetType | None = _UNSET


class _Text(msgspec.Struct, gc=False):
    text: str | None = None


# Of a usual message everything is read in one pass; what is not as usual is read as a dict.
_decode_usual = msgspec.json.Decoder(_Message).decode
_decode_batch = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_texts = msgspec.json.Decoder(list[_Text]).decode


def read_facts(envelope: MessageEnvelope, /) -> Sequence[MessageFacts] | None:
    """Return what each message of a frame says.

    Nothing for what is certainly no message: opaque bytes, or a line of text. None for a frame
    that may hide messages: a gap, a removed one, or JSON that cannot be read.
    """
    message = envelope.message
    if not envelope.is_message:
        if envelope.media_type in (GAP, REMOVED):
            return None
        return () if envelope.oddity is None else _read_odd(message)
    if is_batch(message):
        return [_read_one(bytes(part)) for part in _decode_batch(message)]
    return (_read_one(message),)


def _read_one(message: bytes) -> MessageFacts:
    try:
        read = _decode_usual(message)
    except _READ_ERRORS:
        return _read_unusual(message)
    if read.method is None:
        return _response(read, len(message))
    return _request(read, read.method[:MAX_TEXT], len(message))


def _request(read: _Message, method: str, size: int) -> MessageFacts:
    request_id, params = _id(read.id), read.params
    if params is None:
        return MessageFacts(size, request_id, method)
    if request_id is None:
        token, cancels = _notified(method, params.token, params.request)
        return MessageFacts(size, None, method, None, token, cancels)
    name = params.name or params.uri
    if not name and params.ref is not None:
        name = params.ref.name or params.ref.uri
    token = None if params.meta is None else _id(params.meta.token)
    return MessageFacts(size, request_id, method, name[:MAX_TEXT] if name else None, token)


def _response(read: _Message, size: int) -> MessageFacts:
    request_id, result = _id(read.id), read.result
    if read.error is not _UNSET:
        error = read.error or _Error()
        return _error(size, request_id, error.code, error.message)
    if result is None or not result.is_error:
        return MessageFacts(size, request_id)
    text = _first_text(result.content)
    return MessageFacts(size, request_id, is_tool_error=True, error_text=text)


def _error(size: int, request_id: CallId | None, code: object, text: object) -> MessageFacts:
    return MessageFacts(
        size,
        request_id,
        is_error=True,
        error_code=code if type(code) is int else None,
        error_text=_shortened(text),
    )


def _notified(method: str, token: object, request: object) -> tuple[CallId | None, CallId | None]:
    if method == "notifications/progress":
        return _id(token), None
    return None, _id(request) if method == "notifications/cancelled" else None


def _id(value: object) -> CallId | None:
    if type(value) is int:
        return value
    if isinstance(value, str):
        return value if len(value) <= _MAX_ID else None
    # NaN, which some encoders write, is not equal to itself.
    return value if isinstance(value, float) and value == value else None  # noqa: PLR0124


def _shortened(text: object) -> str | None:
    return text[:_MAX_ERROR_TEXT] if isinstance(text, str) else None


def _first_text(content: msgspec.Raw) -> str | None:
    try:
        parts = _decode_texts(content) if content else ()
    except _READ_ERRORS:
        return None
    return next((_shortened(part.text) for part in parts if part.text is not None), None)


def _read_unusual(message: bytes) -> MessageFacts:
    read = _load(message)
    if isinstance(read, dict):
        return _facts_of(cast("dict[str, object]", read), len(message)) or MessageFacts(0)
    return MessageFacts(0)


def _read_odd(message: bytes) -> Sequence[MessageFacts] | None:
    if b"{" not in message:
        return ()
    read = _load(message)
    if read is None:
        return None
    several = cast("list[object]", read) if isinstance(read, list) else [read]
    objects = [cast("dict[str, object]", each) for each in several if isinstance(each, dict)]
    # The size of a part of a batch is not known here.
    size = len(message) // max(1, len(several))
    return [facts for each in objects if (facts := _facts_of(each, size)) is not None]


def _load(message: bytes) -> object:
    try:
        return json.loads(message.decode("utf-8-sig", errors="replace"))
    except (RecursionError, ValueError):
        return None


def _facts_of(read: dict[str, object], size: int) -> MessageFacts | None:
    request_id, method = _id(read.get("id")), read.get("method")
    if isinstance(method, str):
        params = _members(read.get("params"))
        method = method[:MAX_TEXT]
        if request_id is None:
            token, cancels = _notified(method, params.get("progressToken"), params.get("requestId"))
            return MessageFacts(size, None, method, None, token, cancels)
        ref = _members(params.get("ref"))
        names = (params.get("name"), params.get("uri"), ref.get("name"), ref.get("uri"))
        name = next((each[:MAX_TEXT] for each in names if isinstance(each, str) and each), None)
        return MessageFacts(
            size, request_id, method, name, _id(_members(params.get("_meta")).get("progressToken"))
        )
    if "error" in read and (read["error"] is not None or "result" not in read):
        error = _members(read["error"])
        return _error(size, request_id, error.get("code"), error.get("message"))
    if "result" not in read:
        return None
    result = _members(read["result"])
    if result.get("isError") is not True:
        return MessageFacts(size, request_id)
    content = result.get("content")
    parts = cast("list[object]", content) if isinstance(content, list) else []
    texts = (_members(part).get("text") for part in parts)
    text = next((_shortened(each) for each in texts if isinstance(each, str)), None)
    return MessageFacts(size, request_id, is_tool_error=True, error_text=text)


def _members(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
