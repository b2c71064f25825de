"""What one JSON-RPC message must be before it is kept, and what can be read from its bytes.

Limits are checked before anything is parsed. The bytes are kept as they came, so one answer for
each oddity is enough: not UTF-8, not JSON, not an object, NaN, a lone surrogate, a name used twice
in one object, too deep, too large are refused. A number of any length is kept: nothing reads it.

Source: JSON-RPC 2.0 specification, sections 4 and 5; RFC 8259.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import TypeAlias

import msgspec

from .errors import InvalidMessage

__all__ = [
    "MAX_DEPTH",
    "MAX_MESSAGE_BYTES",
    "MessageKind",
    "RequestId",
    "RpcHead",
    "encode_message",
    "nests_deeper",
    "read_head",
    "validate_message",
]

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""No message is larger, whatever a store's limits say."""

MAX_DEPTH = 128
"""No message nests deeper, whatever a store's limits say."""

RequestId: TypeAlias = "int | str"
"""The type is part of the id: `1` is not `"1"`."""


class MessageKind(StrEnum):
    """Which of the four JSON-RPC messages it is."""

    REQUEST = "request"
    NOTIFICATION = "notification"
    RESULT = "result"
    ERROR = "error"


class RpcHead(msgspec.Struct, frozen=True, gc=False):
    """The members of a message that say what it is; the rest is left as bytes."""

    jsonrpc: str
    id: int | float | str | msgspec.UnsetType | None = msgspec.UNSET
    method: str | msgspec.UnsetType = msgspec.UNSET
    params: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    @property
    def request_id(self) -> RequestId | None:
        """The id, if it is one a request can be known by."""
        return self.id if isinstance(self.id, int | str) else None

    @property
    def kind(self) -> MessageKind:
        """Which kind of message it is. Raises `InvalidMessage` if it is none."""
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
        # Only an error may answer a request whose id could not be read.
        if self.id is unset or (self.id is None and self.error is unset):
            raise InvalidMessage("a response without an id")
        return MessageKind.RESULT if self.error is unset else MessageKind.ERROR


_decode_head = msgspec.json.Decoder(RpcHead).decode
_decode_any = msgspec.json.Decoder(msgspec.Raw).decode
_strings = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_brackets_alike = bytes.maketrans(b"{}", b"[]")
_no_brackets = bytes(byte for byte in range(256) if byte not in b"[]{}")


def read_head(message: bytes) -> RpcHead:
    """Read the members that say what a valid message is. Raises `InvalidMessage`."""
    try:
        return _decode_head(message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise InvalidMessage(_why_unreadable(message)) from None


def validate_message(message: bytes) -> RpcHead:
    """Check that the bytes are one JSON-RPC message.

    Raises `InvalidMessage`, whose reason never quotes the message.
    """
    if len(message) > MAX_MESSAGE_BYTES:
        raise InvalidMessage(f"larger than {MAX_MESSAGE_BYTES} bytes")
    if nests_deeper(message, MAX_DEPTH):
        raise InvalidMessage(f"nested deeper than {MAX_DEPTH}")
    try:
        message.decode()
    except UnicodeDecodeError:
        raise InvalidMessage("not UTF-8") from None
    head = read_head(message)
    head.kind  # noqa: B018 - raises for what is no message
    if _repeats_a_member(message):
        raise InvalidMessage("a name is used twice in one object")
    return head


def nests_deeper(message: bytes, than: int) -> bool:
    """Tell whether a message nests deeper than so many levels. O(bytes × levels), in C."""
    # The number of brackets bounds the depth: nearly every message is done here.
    if message.count(b"{") + message.count(b"[") <= than:
        return False
    brackets = _strings.sub(b"", message).translate(_brackets_alike, _no_brackets)
    for _ in range(than):
        inner = len(brackets)
        brackets = brackets.replace(b"[]", b"")  # peels the innermost level
        if len(brackets) == inner:
            return b"[" * (than + 1) in brackets  # unbalanced: the parser says the rest
    return bool(brackets)


def encode_message(message: object) -> bytes:
    """Write a dict as compact JSON.

    Raises `InvalidMessage` for what JSON has no word for.
    """
    try:
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except RecursionError:
        raise InvalidMessage(f"nested deeper than {MAX_DEPTH}") from None
    except (TypeError, ValueError):  # UnicodeEncodeError is one
        raise InvalidMessage("holds something that is not JSON") from None


def _why_unreadable(message: bytes) -> str:
    try:
        _decode_any(message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "not JSON"
    if not message.lstrip().startswith(b"{"):
        return "not a JSON object"
    return "not JSON-RPC 2.0"


def _repeats_a_member(message: bytes) -> bool:
    try:
        _strict_decode(message.decode())
    except _RepeatedMember:
        return True
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
