"""Recognizes most JSON-RPC messages in one pass; `jsonrpc` judges all others, and says why not.

Rule: yes is certain, no means nothing. Everything here is a part of what `jsonrpc` checks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import cast

import msgspec

from .json_depth import MAX_DEPTH
from .json_outline import drop_all_but, is_mostly_arrays, outside_strings

__all__ = ["is_plain_message"]

_decode = msgspec.json.Decoder().decode
_MOST_DIGITS = 10_000
"""The time to convert a number grows with the square of its digits; Python's limit is 4,300."""
_TOO_DEEP = -(1 << 62)
_all_but_colons = drop_all_but(b":")


def is_plain_message(message: bytes) -> bool:
    """Tell whether bytes are certainly one JSON-RPC message that `validate_message` accepts.

    It is false for some of them, and for every batch. O(bytes).
    """
    if is_mostly_arrays(message) or not 0 < sys.get_int_max_str_digits() <= _MOST_DIGITS:
        return False
    try:
        value: object = _decode(message)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    if type(value) is not dict:
        return False
    fields = cast("dict[str, object]", value)
    return _has_plain_head(fields) and _repeats_no_name(message, fields)


def _has_plain_head(fields: dict[str, object]) -> bool:
    if fields.get("jsonrpc") != "2.0":
        return False
    is_request = "method" in fields
    if is_request and type(fields["method"]) is not str:
        return False
    if ("result" in fields) + ("error" in fields) != (not is_request):
        return False
    if "id" not in fields:
        return is_request
    number = fields["id"]
    if type(number) is int:
        return -(2**63) <= number < 2**64
    return type(number) is str


def _repeats_no_name(message: bytes, fields: dict[str, object]) -> bool:
    # Objects keep one member of each name, and every member has a colon outside of strings. If
    # there are as many colons as members were kept, no name was used twice.
    members = _count_members(fields, 1)
    if members == message.count(b":"):
        return True
    return members == len(outside_strings(message, _all_but_colons))


def _count_members(value: dict[str, object] | list[object], depth: int) -> int:
    """Count the members of all objects in a value; the sum is negative if it nests too deep."""
    if depth > MAX_DEPTH:
        return _TOO_DEEP
    count = 0
    parts: Iterable[object] = value
    if type(value) is dict:
        count = len(value)
        parts = value.values()
    for part in parts:
        if type(part) is dict or type(part) is list:
            count += _count_members(cast("dict[str, object] | list[object]", part), depth + 1)
    return count
