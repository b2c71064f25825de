"""The search finds an order exactly if there is one."""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest
from sessionkeeper.verify import KeyValue, Outcome, Register, Verdict, check

HISTORIES = int(os.environ.get("SESSIONKEEPER_RANDOM_HISTORIES", "10000"))

OK, ILLEGAL = Verdict.OK, Verdict.ILLEGAL


@pytest.mark.timeout(max(60, HISTORIES // 100))
@pytest.mark.parametrize("name", ["register", "kv"])
def test_it_agrees_with_trying_every_order(name: str, lab: Any) -> None:
    """Equal to brute force on random histories; SESSIONKEEPER_RANDOM_HISTORIES sets how many."""
    random = Random(2026)
    model: Any = {"register": Register, "kv": KeyValue}[name]()
    make = {"register": lab.random_register, "kv": lab.random_kv}[name]
    seen = {OK: 0, ILLEGAL: 0}
    for number in range(HISTORIES // 2):
        history = make(random)
        expected = OK if lab.brute_force(lab.specs[name], history) else ILLEGAL
        assert check(history, model, explained=False).verdict is expected, (number, history)
        seen[expected] += 1
    assert min(seen.values()) > HISTORIES // 20


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


def test_two_alike_with_unknown_outcomes_may_both_take_effect(lab: Any) -> None:
    """What the search does once for those alike, it does for each."""
    history = [
        lab.maybe("write", 7, call=0, client=8),
        lab.maybe("write", 7, call=0, client=9),
        lab.op("read", result=7, at=(1, 2)),
        lab.op("write", 1, at=(3, 4)),
        lab.op("read", result=7, at=(5, 6)),
    ]
    assert check(history, Register()).verdict is OK


def test_a_refusal_is_evidence_if_the_model_checks_it(lab: Any) -> None:
    """A failed compare-and-set says that the value was another one."""
    wrong = [
        lab.op("write", 1, at=(0, 1)),
        lab.op("cas", (1, 2), at=(2, 3), outcome=Outcome.FAILED),
    ]
    assert check(wrong, Register()).verdict is ILLEGAL


@pytest.mark.parametrize("name", ["read", "write"])
def test_what_failed_without_saying_why_is_left_out(name: str, lab: Any) -> None:
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
