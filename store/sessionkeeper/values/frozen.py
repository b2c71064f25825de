"""Immutable JSON values, so that the content of a session is never shared and mutable.

They compare equal to the dicts and lists they were made from; `thaw` gives those back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from types import MappingProxyType
from typing import Annotated, Any, TypeAlias, cast, overload

import msgspec
from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

__all__ = [
    "FrozenDict",
    "FrozenList",
    "JsonObject",
    "JsonValue",
    "StringMap",
    "freeze",
    "json_size",
    "json_text",
    "thaw",
]

JsonValue: TypeAlias = "None | bool | int | float | str | FrozenList | FrozenDict"

_MAX_DEPTH = 100
_MAX_BITS = 8192
_ATOMS = frozenset({type(None), bool, int, float})


class FrozenDict(Mapping[str, JsonValue]):
    """An immutable JSON object."""

    __slots__ = ("_view", "levels")
    levels: int
    _view: MappingProxyType[str, JsonValue]

    def __init__(self, items: Mapping[str, object] | None = None, /) -> None:
        if items is not None and not isinstance(items, Mapping):
            raise TypeError(f"a mapping is expected, not {type(items).__name__}")
        _fill_dict(self, {} if items is None else items, 1)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a FrozenDict cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a FrozenDict cannot be changed")

    def __getitem__(self, key: str) -> JsonValue:
        return self._view[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._view)

    def __len__(self) -> int:
        return len(self._view)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return False
        return dict(self._view) == dict(cast("Mapping[object, object]", other))

    def __hash__(self) -> int:
        return hash(frozenset(self._view.items()))

    def __repr__(self) -> str:
        return f"FrozenDict({dict(self._view)!r})"

    def __copy__(self) -> FrozenDict:
        return self

    def __deepcopy__(self, memo: object) -> FrozenDict:
        return self

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[str, object]]]:
        return FrozenDict, ({key: thaw(value) for key, value in self.items()},)


class FrozenList(Sequence[JsonValue]):
    """An immutable JSON array."""

    __slots__ = ("_items", "levels")
    _items: tuple[JsonValue, ...]
    levels: int

    def __init__(self, items: Sequence[object] = (), /) -> None:
        _fill_list(self, items, 1)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a FrozenList cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a FrozenList cannot be changed")

    @overload
    def __getitem__(self, index: int) -> JsonValue: ...
    @overload
    def __getitem__(self, index: slice) -> FrozenList: ...
    def __getitem__(self, index: int | slice) -> JsonValue:
        if isinstance(index, slice):
            return FrozenList(self._items[index])
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, FrozenList):
            return self._items == other._items
        return isinstance(other, list | tuple) and self._items == tuple(
            cast("Iterable[object]", other)
        )

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return f"FrozenList({list(self._items)!r})"

    def __copy__(self) -> FrozenList:
        return self

    def __deepcopy__(self, memo: object) -> FrozenList:
        return self

    def __reduce__(self) -> tuple[type[FrozenList], tuple[list[object]]]:
        return FrozenList, ([thaw(item) for item in self._items],)


def freeze(value: object) -> JsonValue:
    """Copy a JSON value into an immutable one.

    Raises `TypeError` for a value that is not JSON, `ValueError` for NaN, infinities, lone
    surrogates, integers of more than 8,192 bits and nesting deeper than 100.
    """
    return _freeze(value, 0)


def thaw(value: JsonValue) -> object:
    """Copy a frozen value into plain dicts and lists."""
    if isinstance(value, FrozenDict):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, FrozenList):
        return [thaw(item) for item in value]
    return value


def json_size(value: JsonValue) -> int:
    """Count the bytes of a frozen value as compact JSON; O(bytes), and nothing is thawed."""
    return len(_encode(value))


def json_text(value: JsonValue) -> bytes:
    """Write a frozen value as compact JSON, which is equal for equal values; O(bytes)."""
    return _encode(value)


def _one_level(value: object) -> object:
    if type(value) is FrozenDict:
        return value._view.copy()  # pyright: ignore[reportPrivateUsage]
    if type(value) is FrozenList:
        return value._items  # pyright: ignore[reportPrivateUsage]
    raise NotImplementedError


_encode = msgspec.json.Encoder(enc_hook=_one_level).encode


def _freeze(value: object, depth: int) -> JsonValue:
    kind = type(value)
    if kind is str:
        if not value.isascii():  # type: ignore[attr-defined]  # a str, by the test above
            _check_text(value)  # type: ignore[arg-type]  # so it is
        return value  # type: ignore[return-value]  # so it is
    if kind in _ATOMS:
        _check_number(value)  # type: ignore[arg-type]  # an atom, by the test above
        return value  # type: ignore[return-value]  # so it is
    # A subclass of these may be mutable: only the exact classes are returned unchanged.
    if type(value) is FrozenDict or type(value) is FrozenList:
        if depth + value.levels > _MAX_DEPTH:
            raise _too_deep()
        return value
    if depth >= _MAX_DEPTH:
        raise _too_deep()
    if kind is dict or isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value)
        return _fill_dict(FrozenDict.__new__(FrozenDict), items, depth + 1)
    if isinstance(value, list | tuple | FrozenList):
        array = cast("Iterable[object]", value)
        return _fill_list(FrozenList.__new__(FrozenList), array, depth + 1)
    raise TypeError(f"{kind.__name__} is not a JSON value")


def _fill_dict(frozen: FrozenDict, items: Mapping[str, Any], depth: int) -> FrozenDict:
    held: dict[str, JsonValue] = {}
    for key, item in items.items():
        if type(key) is not str:
            raise TypeError("a JSON object has strings for keys")
        if not key.isascii():
            _check_text(key)
        held[key] = _freeze(item, depth)
    # A proxy, not a dict: even code that uses the private attribute cannot change it.
    _set_slot(frozen, "_view", MappingProxyType(held))
    _set_slot(frozen, "levels", _levels(held.values()))
    return frozen


def _fill_list(frozen: FrozenList, items: Iterable[object], depth: int) -> FrozenList:
    held = tuple([_freeze(item, depth) for item in items])
    _set_slot(frozen, "_items", held)
    _set_slot(frozen, "levels", _levels(held))
    return frozen


_set_slot = object.__setattr__


def _levels(items: Iterable[JsonValue]) -> int:
    # Kept, so that wrapping a frozen value cannot exceed the maximum depth.
    nested = [i.levels for i in items if type(i) is FrozenDict or type(i) is FrozenList]
    return 1 + max(nested, default=0)


def _too_deep() -> ValueError:
    return ValueError(f"nested deeper than {_MAX_DEPTH}")


def _check_text(text: str) -> None:
    # Python knows whether a string is ASCII; only others come here.
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a lone surrogate is not text") from None


def _check_number(value: float | None) -> None:
    if type(value) is float and not isfinite(value):
        raise ValueError("NaN and infinities are not JSON")
    if type(value) is int and value.bit_length() > _MAX_BITS:
        # Python refuses to print one of more than 4,300 digits, and would raise inside the owner.
        raise ValueError(f"an integer of more than {_MAX_BITS} bits")


def _as_object(value: object) -> FrozenDict:
    if type(value) is FrozenDict:
        return value
    if type(value) is not dict and not isinstance(value, Mapping):
        raise ValueError("a JSON object is expected")
    items = cast("Mapping[str, object]", value)
    try:
        return _fill_dict(FrozenDict.__new__(FrozenDict), items, 1)
    except TypeError as error:
        raise ValueError(str(error)) from None


def _as_strings(value: object) -> FrozenDict:
    frozen = _as_object(value)
    if not all(isinstance(item, str) for item in frozen.values()):
        raise ValueError("strings are expected as values")
    return frozen


JsonObject: TypeAlias = Annotated[
    FrozenDict,
    PlainValidator(_as_object),
    PlainSerializer(thaw, return_type=dict[str, object]),
    WithJsonSchema({"type": "object"}),
]
"""A field that takes any JSON object and holds it frozen."""

StringMap: TypeAlias = Annotated[
    FrozenDict,
    PlainValidator(_as_strings),
    PlainSerializer(thaw, return_type=dict[str, object]),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]
"""A field that takes strings by name and holds them frozen."""
