"""The rule for when two values are the same: when a person would call them the same.

Python's `==` takes `1`, `True` and `1.0` for one value, `0.0` and `-0.0` for one, and `NaN` for
none. Whatever compares values of a history, or keeps them as keys, does so by their exact forms.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Set
from dataclasses import fields, is_dataclass
from typing import Any, cast

import msgspec

__all__ = ["FALSE", "TRUE", "coarse", "exact", "format_exact"]

TRUE, FALSE = b"true", b"false"
_NAN = b"NaN"
_OBJECT, _SET = b"{}", b"set"


def exact(value: object, /) -> Any:  # noqa: PLR0911 - a table of types
    """Return the exact form of a value: two forms are `==` only if the values are the same.

    Texts, integers and None are their own form, so models may go on to compute with them. What
    Python takes for equal to another type becomes bytes, which hold its JSON. An array is the
    same as a list and as a tuple. Objects of other types are compared field by field where their
    fields are known, and as they say themselves where not.
    """
    kind = type(value)
    if kind is str or kind is int or value is None:
        return value
    if kind is tuple:
        for item in cast("tuple[object, ...]", value):
            if type(item) is not str and type(item) is not int and item is not None:
                return tuple(map(exact, cast("tuple[object, ...]", value)))
        return value
    if kind is list:
        return tuple(map(exact, cast("list[object]", value)))
    if kind is float:
        return _number(cast("float", value))
    if kind is bool:
        return TRUE if value else FALSE
    return _other(value)


def _number(value: float) -> float | bytes:
    if value != value:  # noqa: PLR0124 - NaN alone
        return _NAN
    # No integer is equal to one that is not whole: it needs no other form.
    return repr(value).encode() if value.is_integer() else value


def _other(value: object) -> Hashable:  # noqa: PLR0911 - a table of types
    kind = type(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _number(float(value))
    if isinstance(value, tuple):
        return (kind, *map(exact, cast("tuple[object, ...]", value)))
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return (_OBJECT, frozenset((exact(key), exact(item)) for key, item in pairs))
    if isinstance(value, Set):
        return (_SET, frozenset(map(exact, cast("Set[object]", value))))
    if isinstance(value, msgspec.Struct):
        return (kind, *(exact(getattr(value, name)) for name in value.__struct_fields__))
    if is_dataclass(value) and "__eq__" in kind.__dict__:
        compared = (each.name for each in fields(value) if each.compare)
        return (kind, *(exact(getattr(value, name)) for name in compared))
    return (kind, value)


def coarse(key: Hashable, /) -> Hashable:
    """Return a key; two keys are equal if the originals are equal to Python, or the same.

    For values that may be grouped without need, but must never be separated.
    """
    if type(key) is tuple:
        return tuple(map(coarse, cast("tuple[Hashable, ...]", key)))
    return _NAN if key != key else key  # noqa: PLR0124 - NaN alone


def format_exact(form: object, /) -> str:
    """Return a description of an exact form."""
    return form.decode() if isinstance(form, bytes) else repr(form)
