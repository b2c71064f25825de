"""Revisions come from one counter: sessions that share nothing else share their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from random import Random
from typing import Any

import pytest
from random_sessions import caller, report
from sessionlab import (
    Guarantee,
    Header,
    History,
    Operation,
    Outcome,
    SessionStoreModel,
    Verdict,
    check,
    find_anomalies,
    grade,
)
from sessionlab.linearizability.checker.counter import CounterStep, stuck_partitions

OK, ILLEGAL = Verdict.OK, Verdict.ILLEGAL


def create(lab: Any, id: str, revision: int | None, at: tuple[int, int | None]) -> Operation:
    """Create a session; None for one whose answer did not arrive."""
    known = revision is not None
    made: Operation = lab.op(
        "create_session",
        report(id, "{}", 0),
        report(id, "{}", revision) if known else None,
        at=at,
        outcome=Outcome.OK if known else Outcome.UNKNOWN,
    )
    return made


def look(lab: Any, id: str, revision: int, at: tuple[int, int]) -> Operation:
    """Read a session."""
    seen: Operation = lab.op("get_session", id, report(id, "{}", revision), at=at, client=1)
    return seen


def test_a_number_given_later_is_higher_even_if_no_client_saw_it(lab: Any) -> None:
    """The answer to the first write did not arrive, and a read shows its revision."""
    history = [
        create(lab, "a", 10, (0, 1)),
        create(lab, "b", None, (2, None)),
        look(lab, "b", 5, (4, 5)),
    ]
    result = check(history, SessionStoreModel())
    assert (result.verdict, result.partitions) == (ILLEGAL, 2)
    assert result.counterexample is not None
    assert find_anomalies(result, SessionStoreModel(), history)
    history[2] = look(lab, "b", 15, (4, 5))
    assert check(history, SessionStoreModel()).verdict is OK


def test_a_read_of_a_number_is_after_the_lower_ones(lab: Any) -> None:
    """Each session has an order of its own; together they would go round in a circle."""
    history = [
        create(lab, "a", None, (0, None)),
        look(lab, "a", 20, (1, 2)),
        create(lab, "b", 10, (3, 4)),
    ]
    assert check(history, SessionStoreModel()).verdict is ILLEGAL
    history[2] = create(lab, "b", 30, (3, 4))
    assert check(history, SessionStoreModel()).verdict is OK


def test_two_numbers_that_no_client_saw_keep_their_order(lab: Any) -> None:
    """Within one partition, which a listing makes of all sessions, as across two."""
    both = [
        create(lab, "a", None, (0, None)),
        look(lab, "a", 30, (8, 9)),
        create(lab, "b", 20, (4, 5)),
    ]
    seen = lab.op("add_frame", ("a", "client-to-server", "1", "{}"), 1, at=(2, 3))
    listed = lab.op("count_sessions", None, 2, at=(6, 7))
    # A frame was in `a` before `b` was created, so `a` has the lower number.
    at_last = lab.op("get_session", "a", report("a", "{}", 30, 1), at=(8, 9))
    for more in ([], [listed]):
        history = [both[0], seen, both[2], *more, at_last]
        assert check(history, SessionStoreModel()).verdict is ILLEGAL, more


def test_a_conflict_tells_a_number_too(lab: Any) -> None:
    """A refusal that names the current revision is a read of it."""
    told = lab.op(
        "update_session",
        report("b", "[]", 1),
        ("RevisionConflict", "b", 1, 5),
        at=(4, 5),
        outcome=Outcome.FAILED,
    )
    history = [create(lab, "a", 10, (0, 1)), create(lab, "b", None, (2, None)), told]
    assert check(history, SessionStoreModel()).verdict is ILLEGAL


def test_the_order_of_one_session_may_have_to_change(lab: Any) -> None:
    """The first order found of each does not go with the other; another one does."""
    change = lab.op(
        "modify_session",
        ("a", (report("a", "{}", 10), caller("[]"))),
        at=(2, None),
        outcome=Outcome.UNKNOWN,
    )
    history = [
        create(lab, "a", 10, (0, 1)),
        change,
        create(lab, "b", 20, (2, 40)),
        look(lab, "b", 20, (10, 11)),
        lab.op("get_session", "a", report("a", "[]", 30), at=(30, 31)),
    ]
    assert check(history, SessionStoreModel()).verdict is OK


def test_without_one_counter_only_a_session_has_an_order(lab: Any) -> None:
    """The header, from the guarantees of the store, or an argument decides."""
    history = [create(lab, "a", 1, (0, 1)), create(lab, "b", 1, (2, 3))]
    apart = SessionStoreModel(one_counter=False)
    assert check(history, SessionStoreModel()).verdict is ILLEGAL
    assert check(history, apart).verdict is OK
    header = Header(model="session-store", one_counter=False)
    recorded = History(header=header, operations=tuple(history))
    result = check(recorded, SessionStoreModel())
    assert result.verdict is OK
    assert find_anomalies(result, SessionStoreModel(), recorded) == ()
    assert Guarantee.LINEARIZABLE in grade(recorded, SessionStoreModel()).kept
    gone = lab.op("delete_session", "a", at=(4, 5))
    again = [*history, gone, create(lab, "a", 1, (6, 7))]
    listed = lab.op("count_sessions", None, 2, at=(8, 9))
    assert check(again, apart).verdict is ILLEGAL
    assert check([*again, listed], apart).verdict is ILLEGAL
    again[-1] = create(lab, "a", 2, (6, 7))
    assert check([*again, listed], apart).verdict is OK


def test_a_grade_knows_of_the_counter(lab: Any) -> None:
    """Linearizable sessions do not make the whole history linearizable."""
    history = [
        create(lab, "a", 10, (0, 1)),
        create(lab, "b", None, (2, None)),
        look(lab, "b", 5, (4, 5)),
    ]
    assert Guarantee.LINEARIZABLE not in grade(history, SessionStoreModel()).kept


def merges(orders: Sequence[Sequence[CounterStep]]) -> bool:
    """Try all ways to put orders together."""

    def ways(left: list[int], so_far: list[CounterStep]) -> Iterator[list[CounterStep]]:
        if not any(left):
            yield so_far
        for which, count in enumerate(left):
            if count:
                placed = orders[which][len(orders[which]) - count]
                if fits(so_far, placed):
                    rest = [*left[:which], count - 1, *left[which + 1 :]]
                    yield from ways(rest, [*so_far, placed])

    def fits(before: list[CounterStep], placed: CounterStep) -> bool:
        reached = max((each.reached or 0 for each in before), default=0)
        early = all(each.call <= placed.end for each in before)
        return early and (placed.given is None or placed.given > reached)

    return any(ways([len(order) for order in orders], []))


@pytest.mark.parametrize("seed", range(20))
def test_orders_are_merged_if_that_is_possible(seed: int) -> None:
    """Equal to trying all ways, on random orders of three sessions."""
    random = Random(seed)
    seen = {True: 0, False: 0}
    for _ in range(100):
        orders: list[list[CounterStep]] = []
        for _ in range(3):
            order: list[CounterStep] = []
            call = number = 0
            for _ in range(random.randint(1, 3)):
                call += random.randint(0, 4)
                number += random.randint(1, 4)
                given = number if random.random() < 0.6 else None
                reached = number if given is None or random.random() < 0.7 else None
                order.append(CounterStep(call, call + random.randint(0, 8), given, reached))
            orders.append(order)
        numbers = [each.given for order in orders for each in order if each.given is not None]
        if any(one == other for one, other in combinations(numbers, 2)):
            continue
        expected = merges(orders)
        seen[expected] += 1
        assert (not stuck_partitions(orders)) is expected, orders
    assert min(seen.values()) > 3, seen
