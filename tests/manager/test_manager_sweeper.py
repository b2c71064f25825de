"""The sweeper: supervised, in batches, never dead in silence (Guarantees 15.4)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import StoreClosed
from sessionkeeper.manager.supervised import Supervised, backed_off
from sessionkeeper.manager.sweeper import Sweeper, SweepStep

if TYPE_CHECKING:
    from tests.manager.conftest import Time


class Work:
    """Steps that follow a script, and record their times."""

    def __init__(self, time: Time) -> None:
        self._time = time
        self.done: list[tuple[str, float]] = []
        self.left: dict[str, int] = {}
        self.errors: dict[str, BaseException] = {}

    def step(self, name: str, batch: int = 10) -> SweepStep:
        """A step that fails with its error, or does a batch of the rest."""

        async def work() -> int:
            self.done.append((name, self._time.now))
            if name in self.errors:
                raise self.errors[name]
            count = min(batch, self.left.get(name, 0))
            self.left[name] = self.left.get(name, 0) - count
            return count

        return SweepStep(name, work, batch=batch)


@pytest.fixture
def work(time: Time) -> Work:
    """Nothing to do yet."""
    return Work(time)


async def sweeping(
    time: Time, steps: list[SweepStep], then: Callable[[Sweeper], Awaitable[None]]
) -> None:
    """Run a sweeper while something happens."""
    sweeper = Sweeper(steps, interval=1.0, clock=time, sleep=time.sleep)
    sweeper.start()
    try:
        await then(sweeper)
    finally:
        await sweeper.stop()
    assert sweeper.statistics().state == ("stopped" if steps else "off")


async def test_the_sweeper_continues_while_a_batch_is_full(time: Time, work: Work) -> None:
    """Within one sweep, in turns with the other steps, and yielding in between."""
    work.left = {"expire": 25, "purge": 10}

    between: list[str] = []

    async def other() -> None:
        while True:
            between.append(work.done[-1][0] if work.done else "nothing")
            await asyncio.sleep(0)

    async def then(sweeper: Sweeper) -> None:
        task = asyncio.create_task(other())
        await time.pass_on()
        task.cancel()
        assert between.count("purge") >= 2  # after each round of batches but the last
        numbers = sweeper.statistics()
        assert (numbers.sweeps, numbers.done) == (1, {"expire": 25, "purge": 10})
        assert (numbers.state, numbers.failures, numbers.since_last_sweep) == ("running", 0, 0.0)

    await sweeping(time, [work.step("expire"), work.step("purge")], then)
    assert [name for name, _ in work.done] == ["expire", "purge", "expire", "purge", "expire"]


async def test_a_failing_step_is_reported_and_the_others_go_on(
    time: Time, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    """Counted, logged by type, tried again later and later; well again, it is on time again."""
    work.errors["expire"] = OSError("canary")
    work.left["purge"] = 1

    async def then(sweeper: Sweeper) -> None:
        for _ in range(16):
            await time.pass_on()
        tries = [at for name, at in work.done if name == "expire"]
        assert tries == [1, 2, 4, 8, 16]
        assert [at for name, at in work.done if name == "purge"] == [*range(1, 17)]
        numbers = sweeper.statistics()
        assert (numbers.failures, numbers.last_error, numbers.sweeps) == (5, "OSError", 16)
        assert (numbers.state, numbers.restarts) == ("running", 0)
        work.errors.clear()
        await time.pass_on(16)
        for _ in range(3):
            await time.pass_on()
        assert [at for name, at in work.done if name == "expire"][5:] == [32, 33, 34, 35]
        work.errors["expire"] = OSError("canary")
        for _ in range(3):
            await time.pass_on()
        assert [at for name, at in work.done if name == "expire"][9:] == [36, 37]

    await sweeping(time, [work.step("expire"), work.step("purge")], then)
    assert caplog.text.count("OSError") == 7
    assert "canary" not in caplog.text


async def test_a_missing_feature_of_the_store_is_logged_once(
    time: Time, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    """`NotImplementedError`: the sweeper goes on without that step, and says so."""
    work.errors["expire"] = NotImplementedError("no")

    async def then(sweeper: Sweeper) -> None:
        for _ in range(3):
            await time.pass_on()
        numbers = sweeper.statistics()
        assert (numbers.refused, numbers.failures) == (frozenset({"expire"}), 0)

    await sweeping(time, [work.step("expire"), work.step("purge")], then)
    assert [name for name, _ in work.done] == ["expire", "purge", "purge", "purge"]
    assert caplog.text.count("goes on without expire") == 1


async def test_the_sweeper_stops_when_its_store_is_closed(
    time: Time, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    """By itself, and not in silence."""
    work.errors["expire"] = StoreClosed()

    async def then(sweeper: Sweeper) -> None:
        await time.let_go()
        while sweeper.statistics().state == "running":
            await asyncio.sleep(0)
        numbers = sweeper.statistics()
        assert (numbers.state, numbers.failures) == ("stopped", 1)
        assert (numbers.last_error, numbers.restarts) == ("StoreClosed", 0)

    await sweeping(time, [work.step("expire")], then)
    assert "the sweeper stops" in caplog.text


@pytest.mark.parametrize("death", ["cancelled from outside", "a step cancels", "a wild error"])
async def test_a_sweeper_that_dies_is_started_again(
    time: Time, work: Work, death: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Noticed, counted, logged and repaired, whatever ended it."""
    work.left["expire"] = 3

    async def then(sweeper: Sweeper) -> None:
        [task] = [each for each in asyncio.all_tasks() if "sweeper" in each.get_name()]
        if death == "cancelled from outside":
            await asyncio.sleep(0)
            task.cancel()
        else:
            wild = type("Wild", (BaseException,), {})
            work.errors["expire"] = asyncio.CancelledError() if "cancels" in death else wild()
            await time.let_go()
        await asyncio.wait({task})
        await asyncio.sleep(0)
        numbers = sweeper.statistics()
        assert (numbers.state, numbers.restarts, numbers.failures) == ("restarting", 1, 1)
        assert numbers.last_error == ("Wild" if "wild" in death else "CancelledError")
        work.errors.clear()
        time._asleep.clear()
        await time.pass_on()
        numbers = sweeper.statistics()
        assert (numbers.state, numbers.done) == ("running", {"expire": 3})

    await sweeping(time, [work.step("expire")], then)
    assert caplog.text.count("is started again") == 1


async def test_without_any_deadline_there_is_no_sweeper_task(time: Time) -> None:
    """No sweeper that wakes up for nothing."""

    async def then(sweeper: Sweeper) -> None:
        assert not [each for each in asyncio.all_tasks() if "sweeper" in each.get_name()]
        assert sweeper.statistics().since_last_sweep is None

    await sweeping(time, [], then)


async def test_stopping_while_it_waits_to_be_restarted(caplog: pytest.LogCaptureFixture) -> None:
    """The timer goes, too: nothing starts after the end."""
    caplog.set_level(logging.CRITICAL)
    started = 0

    async def dies() -> None:
        nonlocal started
        started += 1
        raise OSError

    task = Supervised(dies, name="test", delay=0.001)
    task.start()
    while task.restarts == 0:
        await asyncio.sleep(0)
    await task.stop()
    assert task.state == "stopped"
    await asyncio.sleep(0.005)
    assert started == 1
    await task.stop()


def test_waits_grow_to_a_minute() -> None:
    """It doubles with each failure in a row, and is never shorter than at first."""
    assert [backed_off(1.0, n) for n in (0, 1, 2, 5, 6, 10_000)] == [1, 2, 4, 32, 60, 60]
    assert backed_off(300.0, 7) == 300


def test_a_forgotten_manager_leaves_no_task_behind(recwarn: pytest.WarningsRecorder) -> None:
    """`asyncio.run` cancels the sweeper at its end: it is not started again into a dying loop."""
    from sessionkeeper import SessionManager

    async def forget() -> None:
        await SessionManager().open()
        await asyncio.sleep(0)

    asyncio.run(forget())
    assert not recwarn.list
