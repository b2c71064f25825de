"""What one JSON-RPC message must be before it is kept, and what can be read from its bytes.

Limits are checked before anything is parsed. The bytes are kept as they came, so one answer for
each oddity is enough: not UTF-8, not JSON, not an object, NaN, a lone surrogate, a name used twice
in one object, too deep, too large are refused. A number of any length is kept: nothing reads it.

A peer sends the bytes: nothing here takes more than linear time, whatever they are.

Source: JSON-RPC 2.0 specification, sections 4 and 5; RFC 8259.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from itertools import accumulate
from operator import add
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
# Only for valid JSON: in other text each quote may begin a string that never ends.
_members = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"([ \t\n\r]*+:)?|[{}]', re.DOTALL)
_LARGE = 65_536
_BYTES_AN_ARRAY = 16
_SHALLOW = 8
_quotes_and_brackets = bytes(byte for byte in range(256) if byte not in b'"[]{}')
_one_if_open = bytes.maketrans(b"[{]}", b"\1\1\0\0")
_changes = tuple(2 * byte.bit_count() - 8 for byte in range(256))
_peaks = tuple(
    max(0, *accumulate(1 if byte >> bit & 1 else -1 for bit in range(8))) for byte in range(256)
)


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
    # The number of brackets bounds the depth: nearly every message is done here.
    arrays = message.count(b"[")
    if message.count(b"{") + arrays > MAX_DEPTH and _depth_exceeds(message, MAX_DEPTH):
        raise InvalidMessage(f"nested deeper than {MAX_DEPTH}")
    try:
        message.decode()
    except UnicodeDecodeError:
        raise InvalidMessage("not UTF-8") from None
    head = read_head(message)
    head.kind  # noqa: B018 - raises for what is no message
    if _repeats_a_member(message, arrays):
        raise InvalidMessage("a name is used twice in one object")
    return head


def nests_deeper(message: bytes, than: int) -> bool:
    """Tell whether a message nests deeper than so many levels; O(bytes).

    A string that never ends takes the rest. Of what is no JSON, either answer may be given.
    """
    return message.count(b"{") + message.count(b"[") > than and _depth_exceeds(message, than)


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


def _depth_exceeds(message: bytes, than: int) -> bool:
    brackets = rest = _brackets(message)
    for _ in range(min(than, _SHALLOW)):
        rest = rest.replace(b"\1\0", b"")  # peels the innermost level
        if not rest:
            return False
    return _depth(brackets) > than


def _brackets(message: bytes) -> bytes:
    """Return the brackets outside of strings, opening ones as 1 and closing ones as 0."""
    # A pass in C for each step, and no step for each string: a message may hold five million.
    if b"\\" in message:
        message = message.replace(b"\\\\", b"").replace(b'\\"', b"")
    message = message.translate(None, _quotes_and_brackets)
    # Two quotes side by side leave everything else inside or outside, as it was.
    outside = message.replace(b'""', b"").split(b'"')[::2]
    return b"".join(outside).translate(_one_if_open)


def _depth(brackets: bytes) -> int:
    """Return how many are open at most."""
    # Eight brackets become one byte, so that what is done in Python is done an eighth as often.
    brackets += bytes(-len(brackets) % 8)
    packed = 0
    for bit in range(8):
        packed |= int.from_bytes(brackets[bit::8], "little") << bit
    eights = packed.to_bytes(len(brackets) // 8, "little")
    before = accumulate(map(_changes.__getitem__, eights), initial=0)
    return max(map(add, before, map(_peaks.__getitem__, eights)), default=0)


def _repeats_a_member(message: bytes, arrays: int) -> bool:
    # The decoder builds each array. Millions of them would take seconds, most of it in the
    # garbage collector, and a hundred times the message's memory.
    if len(message) > _LARGE and arrays * _BYTES_AN_ARRAY > len(message):
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
