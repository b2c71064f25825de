"""The kinds of failures, and their reports."""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools

import pytest
from sessionlab.explore import (
    Deadlock,
    ExplorationFailed,
    LeftUndone,
    StepLimit,
    explore,
    interleavings,
    replay,
)


async def nothing() -> None:
    """End at once."""


def test_an_error_of_the_scenario_fails_and_is_the_cause() -> None:
    """The report's cause is the error itself, with its own traceback."""

    async def scenario() -> None:
        raise KeyError("mine")

    with pytest.raises(ExplorationFailed, match="no deviation: it fails in the default order") as e:
        explore(scenario).check()
    assert isinstance(e.value.__cause__, KeyError)
    with pytest.raises(KeyError, match="mine"):
        replay(scenario, "x1:")


def test_shrinking_keeps_to_the_failure_that_was_found() -> None:
    """Where less is needed for another failure, that is not the one reported."""

    async def scenario() -> None:
        log: list[int] = []

        async def mark(n: int) -> None:
            log.append(n)

        await asyncio.gather(*map(mark, range(3)))
        if log == [2, 1, 0]:
            raise KeyError
        raise ValueError  # in the default order, and with fewer deviations

    found = explore(scenario, seeds=200, failures=200)
    kinds = {type(failure.error) for failure in found.failures}
    assert kinds == {KeyError, ValueError}
    for failure in found.failures:
        assert failure.repeats
        assert (failure.deviations > 0) == isinstance(failure.error, KeyError)


def test_a_scenario_that_ends_cancelled_fails() -> None:
    """Somebody's cancellation got out of it: that is not an end."""

    async def scenario() -> None:
        raise asyncio.CancelledError

    (failure,) = explore(scenario).failures
    assert "the scenario itself ended cancelled" in str(failure)


def test_an_interrupt_ends_the_exploration() -> None:
    """It belongs to the user, not to the scenario."""
    runs = itertools.count()

    async def scenario() -> None:
        next(runs)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explore(scenario)
    assert next(runs) == 1


def test_a_check_is_given_the_result() -> None:
    """The caller may judge the result of the scenario; `replay` returns it."""

    async def scenario() -> int:
        log: list[int] = []

        async def put(n: int) -> None:
            log.append(n)

        await asyncio.gather(put(0), put(1))
        return log[0]

    def check(first: int) -> None:
        assert first == 0, f"{first} was first"

    (failure,) = explore(scenario, check=check).failures
    assert "1 was first" in str(failure)
    assert replay(scenario, failure.token) == 1
    with pytest.raises(AssertionError, match="1 was first"):
        replay(scenario, failure.token, check=check)


def test_a_deadlock_says_who_waits_for_what() -> None:
    """Tasks, events, locks, queues, futures: by their names, with the line."""

    class Room:
        def __init__(self) -> None:
            self.door = asyncio.Event()

        async def enter(self) -> None:
            await self.door.wait()

    async def scenario() -> None:
        room, queue = Room(), asyncio.Queue[int]()
        reply: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def hear() -> int:
            return await reply

        guest = asyncio.create_task(room.enter(), name="guest")
        reader = asyncio.create_task(queue.get(), name="reader")
        hearer = asyncio.create_task(hear(), name="hearer")
        await asyncio.gather(guest, reader, hearer)

    (failure,) = explore(scenario).failures
    assert isinstance(failure.error, Deadlock)
    waiting = "\n".join(failure.error.waiting)
    assert "guest waits for Event 'self.door' at test_explore_failures.py:" in waiting
    assert "`await self.door.wait()`" in waiting
    assert "reader waits for Queue (scenario has it as 'queue')" in waiting
    assert "hearer waits for a future 'reply'" in waiting
    assert "scenario waits for all of guest, reader, hearer" in waiting
    assert all(line in str(failure) for line in failure.error.waiting)


def test_a_deadlock_behind_an_async_with_names_the_line() -> None:
    """A task that waits for another task names it."""

    async def scenario() -> None:
        lock = asyncio.Lock()

        async def twice() -> None:
            async with lock, lock:
                pass

        await asyncio.create_task(twice(), name="twice")

    with pytest.raises(Deadlock) as raised:
        replay(scenario, "x1:")
    first, second = raised.value.waiting
    assert first.startswith("scenario waits for the task twice at")
    assert "twice waits for Lock 'lock'" in second
    assert "`async with lock, lock:`" in second


def test_turning_in_circles_is_found() -> None:
    """A step limit, for want of an end."""

    async def scenario() -> None:
        while True:
            await asyncio.sleep(1)

    (failure,) = explore(scenario, max_steps=100).failures
    assert isinstance(failure.error, StepLimit)
    assert "not ended after 100 steps" in str(failure)
    assert "scenario waits for" in str(failure)


def test_if_strict_a_task_left_pending_fails() -> None:
    """It is cancelled and named either way; one that only needs its turn is not left."""

    async def forget() -> None:
        await asyncio.sleep(10)

    async def scenario() -> None:
        scenario.task = asyncio.create_task(forget(), name="forgotten")  # type: ignore[attr-defined]  # kept
        scenario.quick = asyncio.create_task(nothing())  # type: ignore[attr-defined]  # kept

    relaxed = explore(scenario, seeds=3)
    assert relaxed.ok
    assert any("forgotten" in line for line in relaxed.left)
    assert not any("nothing" in line for line in relaxed.left)
    (failure,) = explore(scenario, strict=True).failures
    assert isinstance(failure.error, LeftUndone)
    assert "forgotten waits for a future" in str(failure)


def test_if_strict_an_error_nobody_looked_at_fails() -> None:
    """This holds for a task and for a plain callback."""

    kept: list[asyncio.Task[None]] = []

    async def broken() -> None:
        raise ValueError("nobody hears")

    async def task() -> None:
        kept.append(asyncio.create_task(broken(), name="broken"))  # asyncio would say nothing
        await asyncio.sleep(1)

    async def callback() -> None:
        asyncio.get_running_loop().call_soon(divmod, 1, 0)
        await asyncio.sleep(1)

    for scenario, words in ((task, "nobody hears"), (callback, "ZeroDivisionError")):
        assert explore(scenario, seeds=3).ok
        (failure,) = explore(scenario, strict=True).failures
        assert isinstance(failure.error, LeftUndone)
        assert words in str(failure)


def test_a_task_that_will_not_end_is_dropped_without_a_word() -> None:
    """Nothing leaks into the next run, and no warning appears later."""
    seen: list[str] = []

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                seen.append(asyncio.current_task().get_name())  # type: ignore[union-attr]  # there is one

    async def scenario() -> None:
        scenario.task = asyncio.create_task(stubborn())  # type: ignore[attr-defined]  # kept
        await asyncio.sleep(0)

    done = explore(scenario, seeds=2, strategy="default", max_steps=50)
    assert done.ok
    assert seen == ["stubborn-1", "stubborn-1"]
    gc.collect()


def test_a_scenario_that_is_not_repeatable_is_reported_as_such() -> None:
    """A failure that a second run with the same choices lacks is reported, not shrunk."""
    runs = itertools.count()

    async def scenario() -> None:
        assert next(runs) != 3

    (failure,) = explore(scenario).failures
    assert not failure.repeats
    assert "did not fail again" in str(failure)


def test_two_tasks_of_one_name_are_two_lanes_in_the_report() -> None:
    """Names need not be unique."""

    async def scenario() -> None:
        await asyncio.wait([asyncio.create_task(nothing(), name="same") for _ in range(2)])
        raise AssertionError

    report = str(explore(scenario))
    assert " same  " in report
    assert " same (2)  " in report


def test_a_long_report_shows_what_is_near_the_last_deviation() -> None:
    """A thousand steps are not printed."""

    async def scenario() -> None:
        for _ in range(500):
            await asyncio.sleep(0)
        raise AssertionError("late")

    report = str(explore(scenario))
    assert len(report.splitlines()) < 80
    assert "steps after …" in report


def test_a_decorated_test_takes_fixtures_and_fails_with_the_report(tmp_path: object) -> None:
    """Arguments are passed on to every run."""
    seen: list[object] = []

    @interleavings(seeds=3)
    async def scenario(path: object, *, name: str) -> None:
        """A docstring."""
        seen.append((path, name))
        assert len(seen) < 3, "third"

    with pytest.raises(ExplorationFailed, match="third"):
        scenario(tmp_path, name="n")
    assert set(seen) == {(tmp_path, "n")}
    assert scenario.__doc__ == "A docstring."
    assert not inspect.iscoroutinefunction(scenario)
