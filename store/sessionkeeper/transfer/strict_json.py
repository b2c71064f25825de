"""Reads one JSON object from an untrusted line.

Everything that could take more than linear time, or much more memory than the line, is refused
before it is converted: depth, structure outside of strings, and numbers of many digits.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn, cast

from ..values.json_depth import MAX_DEPTH, nests_deeper

__all__ = ["NotJson", "read_object", "read_objects"]

_SMALL = 64 * 1024
"""Size in bytes up to which a line is parsed without a check of its structure."""
_MAX_STRUCTURE = 4 * 1024 * 1024
"""Bytes outside of strings. Each `[]` there becomes an object of 56 bytes and more."""
_MAX_STRINGS = 500_000
_MAX_DIGITS = 2_466
"""Digits of an integer of 8,192 bits, the largest in metadata."""
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class NotJson(Exception):
    """The bytes are not one JSON object; the text does not quote them."""


def read_object(text: bytes) -> dict[str, Any]:
    """Return the object in the bytes. Raises `NotJson`."""
    decoded = _checked(text)
    try:
        found: object = _decoder.decode(decoded)
    except (ValueError, RecursionError) as error:
        raise NotJson(_reason(error)) from None
    return _as_object(text, found)


def read_objects(text: bytes) -> list[dict[str, Any]]:
    """Return the objects that follow each other in the bytes. Raises `NotJson`."""
    decoded, at = _checked(text).strip(), 0
    found: list[dict[str, Any]] = []
    while at < len(decoded):
        try:
            each, at = _decoder.raw_decode(decoded, at)
        except (ValueError, RecursionError) as error:
            raise NotJson(_reason(error)) from None
        found.append(_as_object(text, each))
    return found


def _checked(text: bytes) -> str:
    if b"\0" in text:
        raise NotJson("NUL bytes")
    if nests_deeper(text, MAX_DEPTH):
        raise NotJson(f"nested deeper than {MAX_DEPTH}")
    if len(text) > _SMALL:
        _check_structure(text)
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise NotJson("not UTF-8") from None


def _check_structure(text: bytes) -> None:
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    if text.count(b'"') > 2 * _MAX_STRINGS:
        raise NotJson(f"more than {_MAX_STRINGS} strings")
    if sum(map(len, text.split(b'"')[::2])) > _MAX_STRUCTURE:
        raise NotJson(f"more than {_MAX_STRUCTURE} bytes outside of strings")


def _as_object(text: bytes, found: object) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise NotJson("not a JSON object")
    if _SURROGATE.search(text) is not None:
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise NotJson("a lone surrogate") from None
    return cast("dict[str, Any]", found)


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        if error.msg == "Extra data" and error.doc[error.pos :].lstrip()[:1] == "{":
            return "two records on one line"
        return "not JSON"
    # Our own `ValueError` says more; no `RecursionError` is possible after the check of depth.
    return str(error) if type(error) is _Refused else "not JSON"


class _Refused(ValueError):
    pass


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise _Refused(f"a number of {len(digits)} digits")
    return int(digits)


def _float(text: str) -> float:
    if len(text) > _MAX_DIGITS:
        raise _Refused(f"a number of {len(text)} characters")
    return float(text)


def _constant(name: str) -> NoReturn:
    raise _Refused(f"{name} is not JSON")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Refused("a name is used twice in one object")
    return members


_decoder = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_constant,
)
