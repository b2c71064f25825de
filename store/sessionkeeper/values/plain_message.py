"""Recognizes most JSON-RPC messages in one pass; `jsonrpc` judges all others, and says why not.

Rule: yes is certain, no means nothing. Everything here is a part of what `jsonrpc` checks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from .json_depth import MAX_DEPTH
from .json_outline import drop_all_but, is_mostly_arrays, outside_strings

__all__ = ["is_plain_message"]

_MOST_DIGITS = 10_000
"""The time to convert a number grows with the square of its digits; Python's limit is 4,300."""
_TOO_DEEP = -(1 << 62)
_UNSET = msgspec.UNSET
_all_but_colons = drop_all_but(b":")

_Int64: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _PlainMessage(msgspec.Struct, gc=False):
    """The members that nearly every message has; the decoder checks them as it reads them."""

    jsonrpc: Literal["2.0"]
    id: _Int64 | str | msgspec.UnsetType = _UNSET
    method: str | msgspec.UnsetType = _UNSET
    params: Any = _UNSET
    result: Any = _UNSET
    error: Any = _UNSET


_decode = msgspec.json.Decoder(_PlainMessage).decode


def is_plain_message(message: bytes) -> bool:
    """Tell whether bytes are certainly one JSON-RPC message that `validate_message` accepts.

    It is false for some of them, and for every batch. O(bytes).
    """
    if is_mostly_arrays(message) or not 0 < sys.get_int_max_str_digits() <= _MOST_DIGITS:
        return False
    try:
        found = _decode(message)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    if found.method is not _UNSET:
        members = 2 if found.id is _UNSET else 3
        content = found.params
    elif found.id is not _UNSET:
        members = 2
        content = found.error if found.result is _UNSET else found.result
        if content is _UNSET:
            return False
    else:
        return False
    if content is not _UNSET:
        members += 1
        if type(content) is dict or type(content) is list:
            members += _count_members(content, 2)  # pyright: ignore[reportUnknownArgumentType]
    # Every member of the text has a colon outside of strings, and an object keeps one member of
    # each name. If there are as many colons as members were counted, then no name is used twice,
    # and there is no member besides those that belong to such a message.
    if members == message.count(b":"):
        return True
    return members == len(outside_strings(message, _all_but_colons))


def _count_members(value: dict[str, Any] | list[Any], depth: int) -> int:
    """Count the members of all objects in a value; less than 0 if it nests too deep."""
    if depth > MAX_DEPTH:
        return _TOO_DEEP
    count = 0
    parts: Iterable[Any] = value
    if type(value) is dict:
        count = len(value)
        parts = value.values()
    for part in parts:
        if type(part) is dict or type(part) is list:
            count += _count_members(part, depth + 1)  # pyright: ignore[reportUnknownArgumentType]
    return count
