"""One line of a history file as text: JSON, extended for the values of a history.

What JSON has no word for is written as others do it: `NaN`, `Infinity`, and half of a surrogate
pair by its escape. An object that names a key twice says two things, and is refused.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import isfinite
from typing import Any, TypeVar, cast

import msgspec

from .integers import read_integer

__all__ = ["decode_line", "encode_line"]

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_SHOWN = 40


def encode_line(line: object, values: Sequence[object], /) -> str:
    """Return the text of a line with these values."""
    if all(map(_is_json, values)):
        return _encode(line).decode()
    return json.dumps(msgspec.to_builtins(line), separators=(",", ":"))


def _is_json(value: object) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_json, cast("Sequence[object]", value)))
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
    return True


def decode_line(text: str, decoder: msgspec.json.Decoder[T], /) -> T:
    """Return the values of a line, with their types: `1` is an integer, `1.0` is a float.

    Raises `ValueError` for a malformed line, and for a duplicate key; it quotes no values.
    """
    keys = cast("Any", decoder.type).__struct_encode_fields__
    error: msgspec.MsgspecError | None = None
    if "\\u" not in text and all(text.count(f'"{key}"') < 2 for key in keys):
        try:
            return decoder.decode(text)
        except msgspec.MsgspecError as raised:
            error = raised
        except ValueError:  # Python's own, for a number that is too long: said better below
            pass
    try:
        read = _all_words.decode(text.strip())
    except json.JSONDecodeError:
        # For text that is no JSON, the other decoder reports more.
        raise error or ValueError("not JSON") from None
    return cast("T", msgspec.convert(read, decoder.type))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:_SHOWN]!r} is given twice")
    return found


def _float(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("a number that no float holds")
    return number


_all_words = json.JSONDecoder(object_pairs_hook=_once, parse_float=_float, parse_int=read_integer)
