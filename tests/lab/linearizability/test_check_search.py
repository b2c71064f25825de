"""The search finds an order exactly if there is one."""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest
from sessionlab import KeyValue, Model, Operation, Outcome, Register, Verdict, check

HISTORIES = int(os.environ.get("SESSIONKEEPER_RANDOM_HISTORIES", "10000"))

OK, ILLEGAL = Verdict.OK, Verdict.ILLEGAL


@pytest.mark.timeout(max(900, HISTORIES // 100))
@pytest.mark.parametrize("histories", [1_000, pytest.param(HISTORIES, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", ["register", "kv"])
def test_it_agrees_with_trying_every_order(name: str, histories: int, lab: Any) -> None:
    """Equal to brute force on random histories; `SESSIONKEEPER_RANDOM_HISTORIES` of a long run."""
    random = Random(2026)
    model: Any = {"register": Register, "kv": KeyValue}[name]()
    make = {"register": lab.random_register, "kv": lab.random_kv}[name]
    seen = {OK: 0, ILLEGAL: 0}
    for number in range(histories // 2):
        history = make(random)
        expected = OK if lab.brute_force(lab.specs[name], history) else ILLEGAL
        assert check(history, model, explain_illegal=False).verdict is expected, (number, history)
        seen[expected] += 1
    assert min(seen.values()) > histories // 20


def test_a_read_may_not_show_what_was_overwritten(lab: Any) -> None:
    """Real time counts: a stale read is illegal."""
    history = [
        lab.op("write", 1, at=(0, 1)),
        lab.op("write", 2, at=(2, 3)),
        lab.op("read", result=1, at=(4, 5)),
    ]
    assert check(history, Register()).verdict is ILLEGAL


def test_intervals_are_closed(lab: Any) -> None:
    """Equal times are concurrent."""
    write, read = lab.op("write", 1, at=(0, 5)), lab.op("read", at=(5, 6), client=1)
    assert check([write, read], Register()).verdict is OK
    later = lab.op("read", at=(6, 7), client=1)
    assert check([write, later], Register()).verdict is ILLEGAL


def test_an_unknown_outcome_may_be_late_or_never(lab: Any) -> None:
    """Unknown outcomes stay open to the end and may never take effect."""
    maybe = lab.maybe("write", 7, call=0)
    late = [maybe, lab.op("read", at=(50, 51)), lab.op("read", result=7, at=(60, 61))]
    assert check(late, Register()).verdict is OK
    never = [maybe, lab.op("read", at=(60, 61))]
    assert check(never, Register()).verdict is OK


def test_an_unknown_outcome_takes_effect_once_and_not_before_its_call(lab: Any) -> None:
    """At any later time, once."""
    twice = [
        lab.maybe("write", 7, call=0),
        lab.op("read", result=7, at=(1, 2)),
        lab.op("write", 1, at=(3, 4)),
        lab.op("read", result=7, at=(5, 6)),
    ]
    assert check(twice, Register()).verdict is ILLEGAL
    early = [lab.op("read", result=7, at=(1, 2)), lab.maybe("write", 7, call=3)]
    assert check(early, Register()).verdict is ILLEGAL


def test_two_equal_calls_with_unknown_outcomes_may_both_take_effect(lab: Any) -> None:
    """What the search does once for those alike, it does for each."""
    history = [
        lab.maybe("write", 7, call=0, client=8),
        lab.maybe("write", 7, call=0, client=9),
        lab.op("read", result=7, at=(1, 2)),
        lab.op("write", 1, at=(3, 4)),
        lab.op("read", result=7, at=(5, 6)),
    ]
    assert check(history, Register()).verdict is OK


def test_many_unknown_outcomes_are_decided_quickly(lab: Any) -> None:
    """A store that failed for a while leaves many: only those that were needed are tried."""
    history = [lab.maybe("write", n, call=n, client=n) for n in range(80)]
    history += [
        lab.op("read", result=n, at=(1000 + i, 1000 + i)) for i, n in enumerate((5, 7, 70, 9))
    ]
    assert check(history, Register(), timeout=600).verdict is OK
    history.append(lab.op("read", result=5, at=(2000, 2000)))
    result = check(history, Register(), timeout=600, explain_illegal=False)
    assert result.verdict is ILLEGAL


def test_a_refusal_is_evidence_if_the_model_checks_it(lab: Any) -> None:
    """A failed compare-and-set says that the value was another one."""
    wrong = [
        lab.op("write", 1, at=(0, 1)),
        lab.op("cas", (1, 2), at=(2, 3), outcome=Outcome.FAILED),
    ]
    assert check(wrong, Register()).verdict is ILLEGAL


@pytest.mark.parametrize("name", ["read", "write"])
def test_a_failure_without_a_reason_is_left_out(name: str, lab: Any) -> None:
    """A failed read is removed; a rejected write had no effect."""
    failed = lab.op(name, 5, at=(0, 1), outcome=Outcome.FAILED)
    assert check([failed, lab.op("read", at=(2, 3))], Register()).verdict is OK
    shown = lab.op("read", result=5, at=(2, 3))
    assert check([failed, shown], Register()).verdict is ILLEGAL


def test_a_write_that_changes_nothing_here_may_be_needed_later(lab: Any) -> None:
    """Only reads take their place at once."""
    history = [
        lab.op("write", 2, at=(0, 1)),
        lab.op("write", 2, at=(2, 20), client=1),
        lab.op("write", 3, at=(3, 4)),
        lab.op("read", result=3, at=(5, 6)),
        lab.op("read", result=2, at=(21, 22)),
    ]
    assert check(history, Register()).verdict is OK


def test_keys_are_searched_apart(lab: Any) -> None:
    """Partitioned by connected components of keys."""
    history = [
        lab.op("put", (key, "1"), at=(0, 100), client=number)
        for number, key in enumerate("abcdefghijklmnopqrstuvwxyz")
    ]
    result = check(history, KeyValue())
    assert (result.verdict, result.partitions) == (OK, 26)


def test_a_long_history_is_no_deep_recursion(lab: Any) -> None:
    """Thousands of operations, some of them concurrent."""
    history = [
        lab.op("write", n % 5, at=(10 * n, 10 * n + 15), client=n % 2) for n in range(20_000)
    ]
    assert check(history, Register()).verdict is OK
    history.append(lab.op("read", result=77, at=(10**9, 10**9 + 1)))
    assert check(history, Register()).verdict is ILLEGAL


def test_an_empty_history_is_ok() -> None:
    """Nothing contradicts nothing."""
    assert check([], Register()).verdict is OK


class Coin(Model[int | None]):
    """`flip` leads to 0 or 1, and nobody says to which; `see` answers it."""

    name = "coin"

    def init(self) -> int | None:
        return None

    def step(self, state: int | None, operation: Operation, /) -> tuple[int | None, ...]:
        if operation.name == "flip":
            return (0, 1)
        if operation.name == "flip many":
            return tuple(range(100_000))
        return (state,) if operation.result == state else ()

    def key(self, operation: Operation, /) -> tuple[str, ...]:
        return ("coin",)

    def is_read(self, operation: Operation, /) -> bool:
        return operation.name == "see"

    def describe(self, state: int | None, /) -> str:
        return str(state)

    def explain(self, state: int | None, operation: Operation, /) -> str:
        return str(state)


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.UNKNOWN])
@pytest.mark.parametrize(("one", "other"), [(0, 0), (1, 1), (0, 1), (1, 0), (0, 2)])
def test_all_results_of_an_operation_are_tried(
    one: int, other: int, outcome: Outcome, lab: Any
) -> None:
    """A model may allow several results; once one is observed, it stays."""
    history = [
        lab.op("flip", at=(0, 9), outcome=outcome),
        lab.op("see", result=one, at=(10, 11)),
        lab.op("see", result=other, at=(12, 13)),
    ]
    assert check(history, Coin()).verdict is (OK if one == other else ILLEGAL)
    again = [*history[:2], lab.op("flip", at=(12, 13)), lab.op("see", result=other, at=(14, 15))]
    assert check(again, Coin()).verdict is (OK if other < 2 else ILLEGAL)


def test_too_many_results_lead_to_unknown(lab: Any) -> None:
    """Rather than to a wrong verdict, or to none."""
    history = [lab.op("flip many", at=(0, 9)), lab.op("see", result=1, at=(10, 11))]
    result = check(history, Coin())
    assert result.verdict is Verdict.UNKNOWN
    assert result.reason == "an operation with too many possible results"
