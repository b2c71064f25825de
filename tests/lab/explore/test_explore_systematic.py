"""The systematic strategy: every order once, evenly, and a report that says what was covered."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from math import comb, factorial
from random import Random
from typing import Any

import pytest
from sessionlab.explore import explore, may_cancel, replay

from tests.support.task_orders import Orders


def number_of_orders(tasks: int, steps: int) -> int:
    """Return how many interleavings there are."""
    return factorial(tasks * steps) // int(factorial(steps) ** tasks)


@pytest.mark.parametrize(("tasks", "steps"), [(1, 4), (2, 3), (3, 2), (2, 5), (3, 3), (4, 2)])
def test_all_orders_are_run_in_as_many_runs(tasks: int, steps: int) -> None:
    """1,680 of three tasks of three steps, in 1,680 runs; none twice; and the report says so."""
    expected = number_of_orders(tasks, steps)
    orders = Orders(tasks, steps)
    done = explore(orders, seeds=expected + 10, strategy="systematic")
    assert (done.runs, done.complete, done.at_least) == (expected, True, expected)
    assert len(set(orders.seen)) == len(orders.seen) == expected
    covered = f"all {expected:,} orders of the tasks were run"
    assert done.coverage == (covered if expected > 1 else "there is no other order of the tasks")


def test_the_usual_strategy_begins_with_all_orders_where_there_are_few() -> None:
    """And goes on afterwards, because a scenario may depend on more than the order."""
    orders = Orders(3, 3)
    done = explore(orders, seeds=2_000)
    assert len(set(orders.seen[:1_680])) == 1_680
    assert (done.runs, done.complete) == (2_000, True)


def test_the_usual_strategy_does_not_begin_what_it_cannot_end() -> None:
    """Sixty-three million orders are no proof after two thousand."""
    done = explore(Orders(4, 4), seeds=200)
    assert not done.complete
    assert done.at_least is None
    assert str(done).endswith("coverage unknown")


def test_a_part_of_all_orders_is_spread_evenly() -> None:
    """Each task is first and last about as often as the others: no corner is preferred."""
    orders = Orders(4, 4)
    done = explore(orders, seeds=1_000, strategy="systematic")
    assert len(set(orders.seen)) == 1_000
    for place in (0, 5, -1):
        counts = Counter(order[place] for order in orders.seen)
        assert set(counts) == set("abcd")
        assert min(counts.values()) > 150
    assert not done.complete
    assert done.at_least is not None
    assert 1_000 < done.at_least <= number_of_orders(4, 4)
    assert "coverage at most" in str(done)


def test_what_exists_at_least_is_never_more_than_what_exists() -> None:
    """After each number of runs."""
    for runs in (1, 2, 10, 100, 250, 252, 300):
        done = explore(Orders(2, 5), seeds=runs, strategy="systematic")
        assert done.at_least is not None
        assert min(runs, 252) <= done.at_least <= 252
        assert done.complete == (runs >= 252)


@pytest.mark.parametrize("seed", range(12))
def test_a_bug_that_one_order_of_252_shows_is_found(seed: int) -> None:
    """Whichever it is; the token repeats it."""
    order = [*"aaaaabbbbb"]
    Random(seed).shuffle(order)
    wrong = Orders(2, 5, wrong="".join(order))
    (failure,) = explore(wrong, seeds=comb(10, 5), strategy="systematic").failures
    again = Orders(2, 5, wrong=wrong.wrong)
    with pytest.raises(AssertionError):
        replay(again, failure.token)
    assert again.seen == [wrong.wrong]
    assert explore(Orders(2, 5, wrong=wrong.wrong), seeds=260).failures, "the usual one as well"


def test_random_orders_are_even() -> None:
    """Of 252 orders each turns up about as often as the others, once a run has shown the tasks."""
    orders = Orders(2, 5)
    explore(orders, seeds=252 * 40, strategy="random")
    counts = Counter(orders.seen)
    assert len(counts) == 252
    assert min(counts.values()) >= 10
    assert max(counts.values()) <= 90


async def _locks(log: list[str]) -> None:
    lock = asyncio.Lock()

    async def enter(name: str) -> None:
        log.append(f"{name} asks")
        async with lock:
            log.append(f"{name} in")
            await asyncio.sleep(0)
            log.append(f"{name} out")

    await asyncio.gather(enter("a"), enter("b"))


async def _events(log: list[str]) -> None:
    event = asyncio.Event()

    async def wait(name: str) -> None:
        await event.wait()
        log.append(name)

    async def set_it() -> None:
        log.append("set")
        event.set()
        await asyncio.sleep(0)
        log.append("after")

    await asyncio.wait([asyncio.create_task(each) for each in (wait("a"), wait("b"), set_it())])


async def _errors(log: list[str]) -> None:
    async def fail(name: str) -> None:
        await asyncio.sleep(0)
        log.append(name)
        raise ValueError(name)

    async def work() -> None:
        for n in range(2):
            log.append(f"work {n}")
            await asyncio.sleep(0)

    try:
        await asyncio.gather(fail("a"), fail("b"), work())
    except ValueError as error:
        log.append(f"first {error}")
    await asyncio.sleep(0)
    log.append("end")


async def _group(log: list[str]) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        log.append("fails")
        raise ValueError

    async def work(name: str) -> None:
        try:
            log.append(f"{name} 1")
            await asyncio.sleep(0)
            log.append(f"{name} 2")
        except asyncio.CancelledError:
            log.append(f"{name} cancelled")
            raise

    try:
        async with asyncio.TaskGroup() as group:
            for each in (fail(), work("a")):
                group.create_task(each)
    except ExceptionGroup:
        log.append("group")


async def _first_completed(log: list[str]) -> None:
    async def work(name: str) -> None:
        await asyncio.sleep(0)
        log.append(name)

    tasks = {asyncio.create_task(work(name), name=name) for name in "ab"}
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    log.append("+".join(sorted(task.get_name() for task in done)))
    await asyncio.wait(tasks)


async def _sleepers(log: list[str]) -> None:
    async def sleep(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        log.append(name)
        await asyncio.sleep(0)
        log.append(f"{name}'")

    await asyncio.gather(sleep("a", 1), sleep("b", 1), sleep("c", 2))


async def _callbacks(log: list[str]) -> None:
    loop = asyncio.get_running_loop()

    async def work(name: str) -> None:
        loop.call_soon(log.append, f"called by {name}")
        await asyncio.sleep(0)
        log.append(name)

    await asyncio.gather(work("a"), work("b"))
    await asyncio.sleep(0)


async def _observed(log: list[str]) -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        log.append("work")

    async def look() -> None:
        log.append(f"done: {task.done()}")
        await asyncio.sleep(0)
        log.append(f"done: {task.done()}")

    task = asyncio.create_task(work())
    task.add_done_callback(lambda _: log.append("told"))
    await asyncio.gather(task, look())


PROGRAMS = [
    *(_locks, _events, _errors, _group, _first_completed, _sleepers, _callbacks, _observed),
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_what_runs_at_once_hides_nothing(
    program: Callable[[list[str]], Coroutine[Any, Any, None]],
) -> None:
    """Every outcome of all raw orders, callbacks of asyncio among them, is one of the reduced."""

    def outcomes(strategy: Any, **options: Any) -> set[tuple[str, ...]]:
        found: set[tuple[str, ...]] = set()

        async def scenario() -> None:
            log: list[str] = []
            await program(log)
            found.add(tuple(log))

        assert explore(scenario, strategy=strategy, seeds=60_000, **options).complete
        return found

    assert outcomes("systematic") == outcomes("exhaustive", deviations=100)


def test_every_moment_of_a_cancellation_is_an_order() -> None:
    """A cancellation is a choice like any other."""
    seen: set[tuple[str, ...]] = set()

    async def scenario() -> None:
        log: list[str] = []

        async def work() -> None:
            try:
                for n in range(3):
                    log.append(f"{n}")
                    await asyncio.sleep(0)
            except asyncio.CancelledError:
                log.append("cancelled")
                raise

        async def other() -> None:
            await asyncio.sleep(0)
            log.append("other")

        task = may_cancel(asyncio.create_task(work()))
        await asyncio.wait([task, asyncio.create_task(other())])
        seen.add(tuple(log))

    done = explore(scenario, strategy="systematic", cancellations=1, seeds=5_000)
    assert done.complete
    assert done.cancelled
    for moment in range(1, 4):
        steps = tuple(f"{n}" for n in range(moment))
        assert any(tuple(x for x in log if x != "other") == (*steps, "cancelled") for log in seen)
    assert ("other",) in seen, "cancelled before it began"


def test_a_scenario_that_depends_on_more_than_the_order_ends_as_well() -> None:
    """Its tree makes no sense; the number of runs is kept."""
    random = Random(1)

    async def scenario() -> None:
        async def work() -> None:
            for _ in range(random.randrange(1, 4)):
                await asyncio.sleep(0)

        await asyncio.gather(work(), work(), *([work()] if random.random() < 0.5 else []))

    done = explore(scenario, strategy="systematic", seeds=500)
    assert done.ok
    assert 1 <= done.runs <= 500
