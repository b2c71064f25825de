"""Values that only Python considers equal are different for the checker."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import pytest
from random_values import VALUES, same
from sessionlab import (
    AnomalyKind,
    KeyValue,
    Model,
    Operation,
    Outcome,
    Register,
    SessionStoreModel,
    Verdict,
    check,
    find_anomalies,
)
from sessionlab.linearizability.history.exact import coarse, exact

OK, ILLEGAL = Verdict.OK, Verdict.ILLEGAL
NAN = float("nan")


class Point(NamedTuple):
    """A state with a name for its part."""

    x: Any


@dataclass(frozen=True)
class Box:
    """Another one."""

    x: Any


@pytest.mark.parametrize(
    "wrap", [lambda x: x, lambda x: (0, x), Point, Box, lambda x: (Box((x,)),)]
)
def test_forms_are_equal_exactly_if_values_are_the_same(wrap: Any) -> None:
    """For all pairs of values, in any container."""
    for one, other in product(VALUES, repeat=2):
        equal = exact(wrap(one)) == exact(wrap(other))
        assert equal is same(one, other), (one, other)
        if equal:
            assert hash(exact(wrap(one))) == hash(exact(wrap(other)))


def test_arrays_and_objects_are_the_same_by_what_is_in_them() -> None:
    """A list is the array that a tuple is; the order of an object's keys says nothing."""
    assert exact([1, [2.0]]) == exact((1, (2.0,)))
    assert exact({"a": 1, "b": NAN}) == exact({"b": float("nan"), "a": 1})
    for key, value in [("a", True), ("a", 1.0), ("b", 1)]:
        assert exact({"a": 1}) != exact({key: value})
    assert exact({1: 0}) != exact({True: 0})
    assert exact({1: 0}) != exact({"1": 0})
    assert exact(frozenset({1})) != exact(frozenset({True}))


def test_equal_values_never_get_different_keys() -> None:
    """Values that Python considers equal are not distinguished, and NaN equals itself."""
    assert coarse((1, NAN)) == coarse((True, float("nan")))
    assert coarse("1") != coarse(1)


@pytest.mark.parametrize("written", VALUES)
def test_a_register_and_a_map_answer_what_was_written(written: Any, lab: Any) -> None:
    """Only the same value is legal."""

    def verdict(model: Model[Any], first: tuple[Any, ...], second: tuple[Any, ...]) -> Verdict:
        told = {"at": (2, 3), "outcome": second[3] if len(second) > 3 else Outcome.OK}
        history = [lab.op(*first, at=(0, 1)), lab.op(*second[:3], **told)]
        return check(history, model, explain_illegal=False).verdict

    for read in VALUES:
        expected, other = (OK, ILLEGAL) if same(written, read) else (ILLEGAL, OK)
        wrote, put = ("write", written), ("put", ("k", written))
        assert verdict(Register(), wrote, ("read", None, read)) is expected, read
        failed = ("cas", (read, 5), None, Outcome.FAILED)
        assert verdict(Register(), wrote, failed) is other, read
        assert verdict(KeyValue(), put, ("get", ("k", None), read)) is expected, read
        # As keys: what was put under one is not under the other.
        by_key = verdict(KeyValue(), ("put", (written, "x")), ("get", (read, None), "x"))
        assert by_key is expected, read


class Memory(Model[Any]):
    """A register of anybody's, which tells values apart by itself and holds them as they are."""

    name = "memory"

    def __init__(self, hold: Any = lambda value: value) -> None:
        self.hold = hold

    def init(self) -> Any:
        return None

    def step(self, state: Any, operation: Operation, /) -> list[Any]:
        if operation.name == "write":
            return [self.hold(operation.argument)]
        return [state] if repr(self.hold(operation.result)) == repr(state) else []

    def key(self, operation: Operation, /) -> tuple[Hashable, ...]:
        return ("r",)

    def is_read(self, operation: Operation, /) -> bool:
        return operation.name == "read"

    def describe(self, state: Any, /) -> str:
        return repr(state)

    def explain(self, state: Any, operation: Operation, /) -> str:
        return "no"


@pytest.mark.parametrize("hold", [lambda value: value, Point, Box, lambda value: (value,)])
@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), (0.0, -0.0), ((1,), (True,))])
def test_a_models_reply_for_one_value_is_not_reused_for_another(
    hold: Any, one: Any, other: Any, lab: Any
) -> None:
    """Values that only Python considers equal share neither answers nor states."""
    model = Memory(hold)

    def verdict(*calls: tuple[str, Any]) -> Verdict:
        history = [
            lab.op(name, *((value,) if name == "write" else (None, value)), at=(2 * n, 2 * n + 1))
            for n, (name, value) in enumerate(calls)
        ]
        return check(history, model).verdict

    assert verdict(("write", one), ("read", one), ("read", other)) is ILLEGAL
    assert verdict(("write", one), ("read", other), ("read", one)) is ILLEGAL
    assert verdict(("write", other), ("read", other), ("write", one), ("read", one)) is OK
    assert verdict(("write", "z"), ("write", one), ("write", other), ("read", other)) is OK


class ByKey(Memory):
    """One register for each key, which is what was written under any."""

    def key(self, operation: Operation, /) -> tuple[Hashable, ...]:
        return (float("nan"),)


def test_a_key_that_is_not_a_number_is_one_key(lab: Any) -> None:
    """What is under it is not taken apart, although it is not equal to itself."""
    stale = [
        lab.op("write", "a", at=(0, 1)),
        lab.op("write", "b", at=(2, 3)),
        lab.op("read", result="a", at=(4, 5)),
    ]
    result = check(stale, ByKey())
    assert (result.verdict, result.partitions) == (ILLEGAL, 1)


CALLER = ("stdio", "active", None, None, None, None, (None, None, None), (), "{}", None)


def session(revision: Any, **other: Any) -> Any:
    """A snapshot of session a."""
    values = {"count": 0, "last": 0, "created": 1.5} | other
    return ("a", CALLER, revision, values["count"], values["last"], values["created"], 1.5, None)


@pytest.mark.parametrize(
    ("name", "argument", "right", "lies"),
    [
        ("get_session", "a", session(1), (session(True), session(1.0), session(1, created=NAN))),
        ("get_session", "a", session(1), (session(1, count=False), session(1, last=-0.0))),
        ("count_frames", "a", 0, (False, 0.0, -0.0)),
        ("count_sessions", None, 1, (True, 1.0)),
        ("delete_frames", "a", 0, (False, 0.0, NAN)),
        ("trim_frames", ("a", 0), 0, (False, -0.0)),
        ("purge_sessions", (None, None, 1), 0, (NAN, True)),
        ("add_frames", ("a", (), None, None), (1, 1), ((True, 1), (1, 1.0))),
        ("get_or_create_session", session(0), (session(1), False), ((session(1), 0),)),
    ],
)
def test_the_store_is_held_to_the_types_of_its_answers(
    name: str, argument: Any, right: Any, lies: tuple[Any, ...], lab: Any
) -> None:
    """A number is no other number, and no truth."""
    created = lab.op("create_session", session(0), session(1), at=(0, 1))
    assert (
        check([created, lab.op(name, argument, right, at=(2, 3))], SessionStoreModel()).verdict
        is OK
    )
    for lie in lies:
        told = lab.op(name, argument, lie, at=(2, 3))
        assert check([created, told], SessionStoreModel()).verdict is ILLEGAL, lie


def test_frames_are_compared_as_everybody_does(lab: Any) -> None:
    """Also by the layer that looks at contents alone."""
    created = lab.op("create_session", session(0), session(1), at=(0, 1))
    for kept, shown in product((1, True, 1.0, NAN), repeat=2):
        history = [
            created,
            lab.op("add_frame", ("a", "client-to-server", kept, "{}"), 1, at=(2, 3)),
            lab.op("get_frames", "a", (("a", "client-to-server", shown, "{}"),), at=(4, 5)),
        ]
        result = check(history, SessionStoreModel())
        assert result.verdict is (OK if same(kept, shown) else ILLEGAL), (kept, shown)
        for each in find_anomalies(result, SessionStoreModel(), history):
            assert each.kind is AnomalyKind.DIRTY_READ


def test_an_append_of_nothing_gets_no_number(lab: Any) -> None:
    """Two empty appends are in no order but that of time."""
    created = lab.op("create_session", session(0), session(1), at=(0, 1))
    later = lab.op("add_frames", ("a", (), None, None), (1, 1), at=(4, 5), client=1)
    sooner = lab.op("add_frames", ("a", (), None, None), (1, 1), at=(2, 3))
    history = [created, later, sooner, lab.op("count_sessions", None, 1, at=(0, 1))]
    for order in (history, history[::-1]):
        assert check(order, SessionStoreModel()).verdict is OK
