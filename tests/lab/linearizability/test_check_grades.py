"""A history that is not linearizable keeps some of the weaker guarantees, by name."""

from __future__ import annotations

from typing import Any

import pytest
from sessionlab import Guarantee, KeyValue, Register, Verdict, check, grade

LINEARIZABLE, SEQUENTIAL = Guarantee.LINEARIZABLE, Guarantee.SEQUENTIAL
OWN, READS, WRITES = (
    Guarantee.READ_YOUR_WRITES,
    Guarantee.MONOTONIC_READS,
    Guarantee.MONOTONIC_WRITES,
)


def kept(history: Any, model: Any = None) -> set[Guarantee]:
    """The guarantees that hold; none may be left open."""
    found = grade(history, model or Register())
    assert Verdict.UNKNOWN not in found.verdicts.values()
    return set(found.kept)


def test_a_linearizable_history_keeps_all_guarantees(lab: Any) -> None:
    """The strongest implies the others."""
    history = [lab.op("write", 1, at=(0, 1)), lab.op("read", result=1, at=(2, 3))]
    assert kept(history) == set(Guarantee)


def test_an_old_value_for_another_client_is_sequential(lab: Any) -> None:
    """No real time between clients."""
    history = [
        lab.op("write", 1, at=(0, 1)),
        lab.op("write", 2, at=(2, 3)),
        lab.op("read", result=1, at=(4, 5), client=1),
    ]
    assert kept(history) == {SEQUENTIAL, OWN, READS, WRITES}


def test_going_back_breaks_monotonic_reads(lab: Any) -> None:
    """A read no staler than the client's last."""
    history = [
        lab.op("write", 1, at=(0, 1)),
        lab.op("write", 2, at=(2, 3)),
        lab.op("read", result=2, at=(4, 5), client=1),
        lab.op("read", result=1, at=(6, 7), client=1),
    ]
    assert kept(history) == {OWN, WRITES}


def test_a_client_that_misses_its_own_write_breaks_read_your_writes(lab: Any) -> None:
    """A read shows what its client wrote before."""
    history = [
        lab.op("write", 1, at=(0, 1), client=1),
        lab.op("write", 2, at=(2, 3)),
        lab.op("read", result=1, at=(4, 5)),
    ]
    # Without real time the writes may be the other way round; in it they may not.
    assert kept(history) == {SEQUENTIAL, READS, WRITES}


def test_two_clients_may_not_see_opposite_orders(lab: Any) -> None:
    """Sequential means one order for all clients; the weaker grades are checked per client."""
    history = [
        lab.op("write", 1, at=(0, 100), client=1),
        lab.op("write", 2, at=(0, 100), client=2),
        lab.op("read", result=1, at=(101, 102), client=3),
        lab.op("read", result=2, at=(103, 104), client=3),
        lab.op("read", result=2, at=(101, 102), client=4),
        lab.op("read", result=1, at=(103, 104), client=4),
    ]
    assert kept(history) == {OWN, READS, WRITES}


def test_writes_out_of_order_break_monotonic_writes(lab: Any) -> None:
    """The order of each client's writes: as far as their answers tell it."""
    history = [
        lab.op("cas", (1, 2), at=(0, 1)),
        lab.op("write", 1, at=(2, 3)),
    ]
    assert kept(history) == set()


def test_partitions_are_graded_apart_and_the_worst_counts(lab: Any) -> None:
    """One bad key is enough."""
    fine = [lab.op("put", ("x", "1"), at=(0, 1)), lab.op("get", ("x", None), "1", at=(2, 3))]
    bad = [lab.op("get", ("y", None), "1", at=(4, 5))]
    assert kept([*fine, *bad], KeyValue()) == {WRITES}


def test_no_time_leaves_the_grade_open(lab: Any) -> None:
    """The grade is UNKNOWN, not a guess."""
    history = [lab.op("read", result=1, at=(0, 1))]
    found = grade(history, Register(), timeout=0)
    assert set(found.verdicts.values()) == {Verdict.UNKNOWN}
    assert found.kept == ()


@pytest.mark.parametrize("seed", range(4))
def test_the_grade_agrees_with_the_check(seed: int, lab: Any) -> None:
    """Linearizable in the grade is OK in the check; and it implies the others."""
    from random import Random

    random = Random(seed)
    for _ in range(100):
        history = lab.random_register(random)
        found = grade(history, Register())
        assert found.verdicts[LINEARIZABLE] is check(history, Register()).verdict
        if found.verdicts[LINEARIZABLE] is Verdict.OK:
            assert set(found.kept) == set(Guarantee)
