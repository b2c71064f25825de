"""JSON nobody can change: `FrozenDict`, `FrozenList`, `freeze`, `thaw`."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict, UserDict
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sessionkeeper import FrozenDict, FrozenList, freeze, thaw
from sessionkeeper.values.frozen import json_size

PLAIN: dict[str, Any] = {"a": [1, 2.5, None, True, {"b": "x"}], "c": {}, "d": []}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**100), 2**100)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abé\0 "), inner),
    max_leaves=20,
)


@given(JSON)
def test_what_is_frozen_equals_what_it_was_made_from(value: Any) -> None:
    """They compare equal to the dicts and lists they were made from; `thaw` gives those back."""
    frozen = freeze(value)
    assert frozen == value
    assert value == frozen
    assert hash(frozen) == hash(freeze(value))
    thawed = thaw(frozen)
    assert thawed == value
    assert repr(thawed) == repr(value)
    assert freeze(frozen) is frozen
    assert pickle.loads(pickle.dumps(frozen)) == frozen


@given(JSON)
def test_its_size_is_that_of_its_json(value: Any) -> None:
    """What a limit counts: compact JSON in UTF-8, however deep."""
    assert json_size(freeze(value)) == len(msgspec.json.encode(value))


def test_equality_is_that_of_json() -> None:
    """Order matters in an array and not in an object; kinds do not mix."""
    assert FrozenDict({"a": 1, "b": 2}) == {"b": 2, "a": 1} == FrozenDict({"b": 2, "a": 1})
    assert FrozenDict({"a": 1}) != {"a": 2}
    assert FrozenDict({"a": 1}) != [("a", 1)]
    assert FrozenList([1, [2]]) == [1, [2]] == FrozenList((1, (2,)))
    assert FrozenList([1]) == (1,)
    assert FrozenList([1, 2]) != [2, 1]
    assert FrozenList([]) != {}
    assert FrozenList("a") != "a"
    assert FrozenDict(PLAIN) == PLAIN
    assert len({FrozenDict(PLAIN), FrozenDict(dict(reversed(PLAIN.items())))}) == 1
    assert len({FrozenList([1, [2]]), FrozenList([1, [2]])}) == 1


def test_reading_is_that_of_a_mapping_and_a_sequence() -> None:
    """They read as what they stand for."""
    frozen = FrozenDict(PLAIN)
    array = frozen["a"]
    assert isinstance(array, FrozenList)
    assert (len(frozen), list(frozen), "a" in frozen, frozen.get("x")) == (3, [*PLAIN], True, None)
    assert isinstance(frozen, Mapping)
    assert (array[0], len(array), array.index(None), array.count(1)) == (1, 5, 2, 2)
    assert array[-1] == {"b": "x"}
    assert isinstance(array[1:3], FrozenList)
    assert array[1:3] == [2.5, None]
    assert list(reversed(array)) == PLAIN["a"][::-1]
    with pytest.raises(KeyError):
        frozen["x"]
    with pytest.raises(IndexError):
        array[99]
    assert FrozenDict() == {}
    assert FrozenList() == []


def test_a_repr_shows_what_it_is() -> None:
    """The values themselves show their content: they are the user's own."""
    assert repr(FrozenDict({"a": [1]})) == "FrozenDict({'a': FrozenList([1])})"
    assert repr(FrozenList([{}])) == "FrozenList([FrozenDict({})])"


@pytest.mark.parametrize("frozen", [FrozenDict(PLAIN), FrozenList([1, {}])])
def test_nothing_can_be_changed(frozen: FrozenDict | FrozenList) -> None:
    """Not by item, not by attribute, not through what is behind."""
    victim: Any = frozen
    before = repr(frozen)
    for name in ("_view", "_items", "_levels", "new"):
        with pytest.raises(AttributeError, match="cannot be changed"):
            setattr(victim, name, {})
        with pytest.raises(AttributeError, match="cannot be changed"):
            delattr(victim, name)
    for key in ("a", 0, slice(0, 1)):
        with pytest.raises(TypeError):
            victim[key] = 1
        with pytest.raises(TypeError):
            del victim[key]
    behind: Any = getattr(victim, "_view", None) or getattr(victim, "_items", None)
    with pytest.raises(TypeError):
        behind["a"] = 1
    for method in ("append", "update", "pop", "clear", "setdefault", "extend", "sort"):
        assert not hasattr(victim, method)
    assert not hasattr(victim, "__dict__")
    assert repr(frozen) == before


@pytest.mark.parametrize("frozen", [FrozenDict(PLAIN), FrozenList([1, {"a": []}])])
def test_a_copy_is_the_thing_itself(frozen: FrozenDict | FrozenList) -> None:
    """What cannot change need not be copied; what travels comes back frozen."""
    assert copy.copy(frozen) is frozen
    assert copy.deepcopy(frozen) is frozen
    travelled = pickle.loads(pickle.dumps(frozen))
    assert type(travelled) is type(frozen)
    assert travelled == frozen
    assert hash(travelled) == hash(frozen)


class Text(str):
    """A string with something of its own."""


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        ([-float("inf")], ValueError),
        ("\ud800", ValueError),
        ({"\udfff": 1}, ValueError),
        (2**8192, ValueError),
        ([-(2**8192)], ValueError),
        ({1: 2}, TypeError),
        ({None: 2}, TypeError),
        ({Text("a"): 2}, TypeError),
        (Text("a"), TypeError),
        (b"x", TypeError),
        ({1, 2}, TypeError),
        (object(), TypeError),
        (1j, TypeError),
        (iter([]), TypeError),
    ],
)
def test_values_without_a_json_form_are_refused(value: Any, error: type[Exception]) -> None:
    """`TypeError` for what is no JSON value, `ValueError` for what no JSON number or text is."""
    for wrapped in (value, [value], {"a": value}, {"a": [[value]]}):
        with pytest.raises(error):
            freeze(wrapped)


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: {"a": x}, lambda x: FrozenList([x])])
def test_nesting_has_an_end(wrap: Any) -> None:
    """100 levels and no more, however it was built; a loop is no endless one."""
    value: Any = 1
    for _ in range(100):
        value = wrap(value)
    assert freeze(value) == value
    for make in (freeze, lambda v: FrozenDict({"a": v}), lambda v: FrozenList([v])):
        with pytest.raises(ValueError, match="nested deeper than 100"):
            make([value] if make is freeze else value)
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="nested deeper"):
        freeze(loop)


def test_other_mappings_are_copied_too() -> None:
    """Any mapping is an object, a tuple is an array; a subclass of ours is made plain."""

    class Open(FrozenDict):
        pass

    class OpenList(FrozenList):
        pass

    for source in (OrderedDict(a=1), UserDict({"a": 1}), Open({"a": 1})):
        frozen = freeze(source)
        assert type(frozen) is FrozenDict
        assert frozen == {"a": 1}
    for array in ((1, 2), OpenList([1, 2])):
        assert type(freeze(array)) is FrozenList
        assert freeze(array) == [1, 2]
    with pytest.raises(TypeError):
        FrozenDict(5)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(TypeError):
        FrozenList(5)  # type: ignore[arg-type]  # wrong on purpose
