"""After ILLEGAL: how far one gets, what could not come next and why, and a small history."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from sessionlab import KeyValue, Outcome, Register, Verdict, check


def steady(lab: Any, count: int) -> list[Any]:
    """A long history of five clients that is right: everything takes effect at its call."""
    random, state, history = Random(7), None, []
    for n in range(count):
        at = (10 * n, 10 * n + random.randint(1, 45))
        if random.random() < 0.5:
            state = random.randint(0, 4)
            history.append(lab.op("write", state, at=at, client=n % 5))
        else:
            history.append(lab.op("read", result=state, at=at, client=n % 5))
    return history


def test_it_says_how_far_one_gets_and_what_cannot_come_next(lab: Any) -> None:
    """The longest order that works, then the operation and the reason."""
    history = [
        lab.op("write", 1, at=(0, 1)),
        lab.op("write", 2, at=(2, 3)),
        lab.op("read", result=1, at=(4, 5)),
    ]
    example = check(history, Register()).counterexample
    assert example is not None
    assert list(example.order) == history[:2]
    assert example.state == "the register holds 2"
    assert [blocked.operation for blocked in example.blocked] == history[2:]
    assert example.blocked[0].why == "read 1, but the register holds 2"


def test_the_shrunk_history_leaves_out_what_has_nothing_to_do_with_it(lab: Any) -> None:
    """Reads, refusals and writes that change nothing about it are gone; the cause stays."""
    stale = [
        lab.op("put", ("x", "1"), at=(0, 1)),
        lab.op("put", ("x", "2"), at=(10, 11)),
        lab.op("get", ("x", None), "1", at=(20, 21)),
    ]
    noise = [
        lab.op("get", ("x", None), "1", at=(2, 3), client=1),
        lab.op("get", ("x", None), "2", at=(12, 13), client=1),
        lab.op("get", ("x", None), "", at=(-4, -3), client=1),
        lab.op("put", ("y", "3"), at=(5, 6), client=1),
        lab.op("put", ("x", "9"), at=(30, 31), client=1),
    ]
    example = check([*stale, *noise], KeyValue()).counterexample
    assert example is not None
    assert example.starts == ("the value is ''",)
    assert list(example.shrunk) == stale


@pytest.mark.parametrize("name", ["register", "kv"])
def test_a_shrunk_history_is_illegal_by_every_order(name: str, lab: Any) -> None:
    """Still illegal, and not one operation can be spared, says the simple checker."""
    random = Random(11)
    model: Any = {"register": Register, "kv": KeyValue}[name]()
    make = {"register": lab.random_register, "kv": lab.random_kv}[name]
    shrunk = 0
    for _ in range(600):
        history = make(random)
        example = check(history, model).counterexample
        if example is None:
            continue
        shrunk += len(example.shrunk) < len(history)
        assert set(example.shrunk) <= set(history)
        assert not lab.brute_force(lab.specs[name], example.shrunk)
    assert shrunk > 100


def test_leaving_out_a_write_never_makes_a_read_look_wrong(lab: Any) -> None:
    """Illegal for the same reason: a read needs the write that it shows."""
    history = [
        lab.op("write", 1, at=(0, 1)),
        lab.op("read", result=1, at=(2, 3)),
        lab.op("read", result=5, at=(4, 5)),
    ]
    example = check(history, Register()).counterexample
    assert example is not None
    assert [each.result for each in example.shrunk] == [5]


@pytest.mark.parametrize("wrong", [77, 0])
def test_one_wrong_answer_in_a_long_history_is_shown_alone(wrong: int, lab: Any) -> None:
    """A handful of thousands of operations is left, with the states they may begin in."""
    history = steady(lab, 6_000)
    state = next(each.argument for each in reversed(history[:4_000]) if each.name == "write")
    answer = wrong if wrong != state else 4
    history[4_010:4_010] = [lab.op("read", result=answer, at=(40_090, 40_091), client=7)]
    history = [
        each for each in history if not (40_000 <= each.call < 40_140 and each.name == "write")
    ]
    result = check(history, Register())
    assert result.verdict is Verdict.ILLEGAL
    example = result.counterexample
    assert example is not None
    assert len(example.order) > 3_900
    assert len(example.shrunk) <= 6
    assert all(text.startswith("the register holds") for text in example.starts)


def test_an_explanation_takes_bounded_time(lab: Any) -> None:
    """`explained=False` leaves it out."""
    result = check([lab.op("read", result=1, at=(0, 1))], Register(), explain_illegal=False)
    assert (result.verdict, result.counterexample) == (Verdict.ILLEGAL, None)


def test_payloads_are_in_no_repr(lab: Any) -> None:
    """A history holds payloads; its repr does not show them."""
    shown = repr(lab.op("write", "hunter2", at=(0, 1)))
    assert "hunter2" not in shown
    assert repr(lab.maybe("write", "hunter2", call=3)) == "<write by 9 at 3.. unknown>"
    assert Outcome.OK in shown
