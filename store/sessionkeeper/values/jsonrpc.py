"""What makes bytes a JSON-RPC message or a batch of them, and what can be read from them.

Limits are checked before anything is parsed. These are no message: bytes that are not UTF-8, not
JSON, not an object, with NaN, a lone surrogate or a name used twice in one object, too deep, or too
large. A number may have any length, because it is never converted.

A peer may send any bytes, so nothing here takes more than linear time.

Source: JSON-RPC 2.0 specification, sections 4 to 6; RFC 8259; MCP specification 2025-03-26, "Base
protocol", "Batching". Like the official SDK, it accepts an error without an id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from .errors import InvalidMessage
from .json_depth import MAX_DEPTH, nests_deeper
from .json_outline import is_mostly_arrays
from .kinds import MAX_MESSAGE_BYTES, MessageKind
from .plain_message import is_plain_message

__all__ = [
    "MAX_MESSAGE_BYTES",
    "NOT_JSON",
    "NOT_UTF8",
    "REPEATED_NAME",
    "TOO_DEEP",
    "MessageKind",
    "RequestId",
    "RpcHead",
    "encode_message",
    "is_batch",
    "judge_message",
    "read_heads",
    "validate_message",
]

NOT_JSON = "not JSON"
NOT_UTF8 = "not UTF-8"
REPEATED_NAME = "a name is used twice in one object"
TOO_DEEP = f"nested deeper than {MAX_DEPTH}"
_WRONG_PART = "a batch with a part that is no message"

RequestId: TypeAlias = "int | str"
"""The type is part of the id: `1` is not `"1"`."""


class RpcHead(msgspec.Struct, frozen=True, gc=False):
    """The members of a message that determine its kind; the rest is left as bytes."""

    jsonrpc: str
    id: int | float | str | msgspec.UnsetType | None = msgspec.UNSET
    method: str | msgspec.UnsetType = msgspec.UNSET
    params: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    @property
    def request_id(self) -> RequestId | None:
        """The id, if a request may have it."""
        return self.id if isinstance(self.id, int | str) else None

    @property
    def kind(self) -> MessageKind:
        """The kind of the message. Raises `InvalidMessage` if it is none."""
        unset = msgspec.UNSET
        if self.jsonrpc != "2.0":
            raise InvalidMessage("not JSON-RPC 2.0")
        if isinstance(self.id, float):
            raise InvalidMessage("an id is a string or an integer")
        if self.method is not unset:
            if self.result is not unset or self.error is not unset:
                raise InvalidMessage("both a request and a response")
            if self.id is None:
                raise InvalidMessage("a request's id is not null")
            return MessageKind.NOTIFICATION if self.id is unset else MessageKind.REQUEST
        if (self.result is unset) == (self.error is unset):
            raise InvalidMessage("neither a request nor a response")
        if self.result is unset:
            return MessageKind.ERROR
        # Only an error may answer a request whose id could not be read.
        if self.id is unset or self.id is None:
            raise InvalidMessage("a response without an id")
        return MessageKind.RESULT


_decode_head = msgspec.json.Decoder(RpcHead).decode
_decode_heads = msgspec.json.Decoder(list[RpcHead]).decode
_decode_any = msgspec.json.Decoder(msgspec.Raw).decode
# Only for valid JSON: in other text each quote may begin a string that never ends.
_members = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"([ \t\n\r]*+:)?|[{}]', re.DOTALL)


def is_batch(message: bytes) -> bool:
    """Return whether a valid message is a batch."""
    return message[:1] != b"{" and message.lstrip()[:1] == b"["


def read_heads(message: bytes) -> Sequence[RpcHead]:
    """Read the head of each message of a frame: of the one message, or of those of a batch.

    Raises `InvalidMessage`.
    """
    if not is_batch(message):
        return (_read_head(message),)
    try:
        return _decode_heads(message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise InvalidMessage(_why_unreadable(message)) from None


def validate_message(message: bytes) -> None:
    """Check that the bytes are one JSON-RPC message, or a batch of them.

    Raises `InvalidMessage`, whose reason never quotes the message.
    """
    if len(message) > MAX_MESSAGE_BYTES:
        raise InvalidMessage(f"larger than {MAX_MESSAGE_BYTES} bytes")
    if not is_plain_message(message):
        judge_message(message)


def judge_message(message: bytes) -> None:
    """Check carefully what is not too large, and what `is_plain_message` did not recognize.

    Raises `InvalidMessage`.
    """
    if nests_deeper(message, MAX_DEPTH):
        raise InvalidMessage(TOO_DEEP)
    try:
        message.decode()
    except UnicodeDecodeError:
        raise InvalidMessage(NOT_UTF8) from None
    if is_batch(message):
        _check_batch(message)
    else:
        _read_head(message).kind  # noqa: B018 - raises for what is no message
    if _repeats_a_member(message):
        raise InvalidMessage(REPEATED_NAME)


def encode_message(message: object) -> bytes:
    """Write a dict as compact JSON.

    Raises `InvalidMessage` for a value that is not JSON.
    """
    try:
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except RecursionError:
        raise InvalidMessage(TOO_DEEP) from None
    except (TypeError, ValueError):  # UnicodeEncodeError is one
        raise InvalidMessage("holds something that is not JSON") from None


def _read_head(message: bytes) -> RpcHead:
    try:
        return _decode_head(message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise InvalidMessage(_why_unreadable(message)) from None


def _check_batch(message: bytes) -> None:
    heads = read_heads(message)
    if not heads:
        raise InvalidMessage("an empty batch")
    try:
        for head in heads:
            head.kind  # noqa: B018 - raises for what is no message
    except InvalidMessage:
        raise InvalidMessage(_WRONG_PART) from None


def _why_unreadable(message: bytes) -> str:
    try:
        _decode_any(message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return NOT_JSON
    start = message.lstrip()[:1]
    if start == b"[":
        return _WRONG_PART
    return "not JSON-RPC 2.0" if start == b"{" else "not a JSON object"


def _repeats_a_member(message: bytes) -> bool:
    if is_mostly_arrays(message):
        return _repeats_a_member_beside_arrays(message)
    try:
        _strict_decode(message.decode())
    except _RepeatedMember:
        return True
    return False


def _repeats_a_member_beside_arrays(message: bytes) -> bool:
    objects: list[set[bytes]] = []
    for match in _members.finditer(message):
        if match[0] == b"{":
            objects.append(set())
        elif match[0] == b"}":
            objects.pop()
        elif match[2] is not None:
            name = match[1]
            if b"\\" in name:
                name = json.loads(b'"%b"' % name).encode()
            if name in objects[-1]:
                return True
            objects[-1].add(name)
    return False


class _RepeatedMember(Exception):
    pass


def _refuse_twice(pairs: list[tuple[str, object]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise _RepeatedMember


# Numbers stay text: one of a million digits must not be computed.
_strict_decode = json.JSONDecoder(
    object_pairs_hook=_refuse_twice, parse_int=str, parse_float=str
).decode
