"""The orders that are run: the same ones for a seed; all of them on request."""

from __future__ import annotations

import asyncio
from math import comb
from typing import get_args

import pytest
from sessionlab.explore import Strategy, explore, replay
from sessionlab.explore.choices import decode, encode

from tests.support.task_orders import Orders

NAMES: tuple[Strategy, ...] = get_args(Strategy)


@pytest.mark.parametrize("strategy", NAMES)
def test_a_seed_gives_the_same_order_again(strategy: Strategy) -> None:
    """The same seeds give the same orders; other seeds give other ones."""
    first, second, other = Orders(4, 4), Orders(4, 4), Orders(4, 4)
    explore(first, seeds=30, strategy=strategy)
    explore(second, seeds=30, strategy=strategy)
    explore(other, seeds=30, strategy=strategy, first_seed=1_000)
    assert first.seen == second.seen
    if strategy not in ("default", "exhaustive"):
        assert first.seen != other.seen


def test_the_first_order_of_the_mixed_strategy_is_the_usual_one() -> None:
    """A failure without a deviation is found immediately."""
    orders = Orders(3, 2)
    explore(orders, seeds=1)
    assert orders.seen == ["abcabc"]


def test_without_a_bound_that_is_reached_all_orders_are_run() -> None:
    """Three steps of two tasks: all interleavings there are, and it says that it is complete."""
    orders = Orders(2, 3)
    done = explore(orders, seeds=100_000, strategy="exhaustive", deviations=20)
    assert done.complete
    assert len(set(orders.seen)) == comb(6, 3)
    assert done.runs == done.distinct


def test_all_orders_with_one_deviation_are_those_with_one() -> None:
    """No order runs twice, fewer deviations come first, and the bound on runs is kept."""
    none, one, cut = Orders(3, 2), Orders(3, 2), Orders(3, 2)
    assert explore(none, strategy="exhaustive", deviations=0).complete
    assert none.seen == ["abcabc"]
    done = explore(one, strategy="exhaustive", deviations=1)
    assert done.complete
    assert done.runs == done.distinct
    assert one.seen[0] == "abcabc"
    assert {"bcabca", "cabcab", "acbacb"} <= set(one.seen) | {"acbacb"}
    assert not explore(cut, strategy="exhaustive", deviations=3, seeds=10).complete
    assert len(cut.seen) == 10


def test_random_orders_reach_every_order() -> None:
    """Each interleaving of two small tasks turns up."""
    orders = Orders(2, 3)
    explore(orders, seeds=500, strategy="random")
    assert len(set(orders.seen)) == comb(6, 3)


def test_pct_holds_a_task_back_for_long() -> None:
    """One task runs to its end before another begins: at random that hardly ever happens."""
    orders = Orders(4, 10)
    explore(orders, seeds=100, strategy="pct")
    assert any(order.endswith("a" * 10) for order in orders.seen)
    assert any(order.startswith("b" * 10) for order in orders.seen)
    assert len(set(orders.seen)) > 50


@pytest.mark.parametrize("strategy", ["random", "pct", "mixed"])
def test_a_rare_order_of_three_steps_is_found(strategy: Strategy) -> None:
    """c, then b, then a, among ten tasks that do nothing of interest."""

    async def scenario() -> None:
        log: list[str] = []

        async def mark(name: str) -> None:
            await asyncio.sleep(0)
            log.append(name)

        async def noise() -> None:
            for _ in range(3):
                await asyncio.sleep(0)

        await asyncio.gather(*map(mark, "abc"), *(noise() for _ in range(10)))
        assert log != ["c", "b", "a"]

    (failure,) = explore(scenario, strategy=strategy).failures
    assert failure.deviations <= 3


def test_every_run_is_replayed_by_its_token() -> None:
    """A failing run's token leads to the very order in which it was found."""
    orders = Orders(5, 5)

    def refuse(_: None) -> None:
        raise AssertionError

    done = explore(orders, seeds=40, check=refuse, failures=40, shrink=False)
    assert len(done.failures) == 40
    for failure in done.failures:
        again = Orders(5, 5)
        replay(again, failure.token)
        assert again.seen[0] in orders.seen
        assert decode(failure.token) == list(failure.choices) == list(failure.found)
    assert len({failure.token for failure in done.failures}) > 30


@pytest.mark.parametrize(
    ("choices", "token"),
    [
        ([], "x1:"),
        ([0, 0, 0], "x1:"),
        ([0, 2, 0], "x1:0,2"),
        ([0, 0, 0, 0, 1, 1, -2, 0], "x1:0*4,1,1,-2"),
    ],
)
def test_a_token_is_short_and_says_the_same_as_the_choices(choices: list[int], token: str) -> None:
    """Zeros at the end are left out, repetitions counted."""
    assert encode(choices) == token
    assert decode(token) == choices[: len(decode(token))]
    assert not any(choices[len(decode(token)) :])


@pytest.mark.parametrize("token", ["", "1,2", "x2:1", "x1:a", "x1:1.5", "x1:9*999999,9*999999"])
def test_a_text_that_is_no_token_is_refused(token: str) -> None:
    """With an error, before anything runs."""
    with pytest.raises(ValueError, match="token"):
        replay(Orders(1, 1), token)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seeds": 0},
        {"max_steps": 0},
        {"failures": 0},
        {"cancellations": -1},
        {"deviations": -1},
        {"strategy": "best"},
        {"cancellations": 1},
    ],
)
def test_wrong_numbers_are_refused(wrong: dict[str, object]) -> None:
    """A run that could find nothing is not taken for one that found nothing."""
    with pytest.raises(ValueError, match=r"at least 1|no strategy|may_cancel"):
        explore(Orders(2, 2), **wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_a_function_that_is_no_scenario_is_refused() -> None:
    """A function that is no coroutine function."""
    with pytest.raises(TypeError, match="coroutine function"):
        explore(lambda: 7)  # type: ignore[arg-type,return-value]  # wrong on purpose
