"""Who observes an owner hears of each batch, and cannot hurt it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from soleowner import Actor, CallerError, LoopRunner

if TYPE_CHECKING:
    from tests.engine.conftest import Bench

Heard = tuple[int, float, float]


class Ear:
    """Remembers what it was told; fails if it is told to."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.heard: list[Heard] = []
        self.error = error

    def batch(self, commands: int, waited: float, served: float, /) -> None:
        self.heard.append((commands, waited, served))
        if self.error is not None:
            raise self.error


class Dial:
    """A clock set by hand, in place of `time.perf_counter`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.looks = 100.0, 0
        monkeypatch.setattr("time.perf_counter", self.read)

    def read(self) -> float:
        self.looks += 1
        return self.now


@pytest.fixture
def dial(monkeypatch: pytest.MonkeyPatch) -> Dial:
    """The clock."""
    return Dial(monkeypatch)


async def test_an_observer_is_called_for_each_batch(bench: Bench, dial: Dial) -> None:
    """How many commands, how long the first waited, how long serving took."""
    ear = Ear()
    async with Actor(bench.runner, observer=ear) as actor:
        await bench.hold(actor)  # taken at 100
        actor.ask(bench.note("first"))
        dial.now = 103.0
        last = actor.ask(bench.do(lambda: setattr(dial, "now", 110.0)))
        dial.now = 105.0
        bench.release()
        await last
        await asyncio.sleep(0)
        assert ear.heard == [(1, 0.0, 5.0), (2, 5.0, 5.0)]


async def test_waiting_time_counts_from_the_place_in_the_mailbox(bench: Bench, dial: Dial) -> None:
    """The next batch begins when the one before is taken."""
    ear = Ear()
    async with Actor(bench.runner, capacity=1, observer=ear) as actor:
        await bench.hold(actor)
        replies = [actor.ask(bench.note(n)) for n in range(2)]  # the second stands in line
        dial.now = 107.0
        bench.release()
        await asyncio.gather(*replies)
        await asyncio.sleep(0)
        assert [waited for _, waited, _ in ear.heard] == [0.0, 7.0, 0.0]


async def test_an_open_actor_can_be_observed_and_left_alone(bench: Bench, dial: Dial) -> None:
    """Attached later, it hears from the next batch on; and no more once it is taken away."""
    actor = await bench.open()
    await actor.ask(bench.note(1))
    assert dial.looks == 0
    queued = actor.ask(bench.note(2))
    ear = Ear()
    actor.observe(ear)
    await queued
    await actor.ask(bench.note(3))
    actor.observe(None)
    looks = dial.looks
    await actor.ask(bench.note(4))
    assert [each[0] for each in ear.heard] == [1, 1]
    assert all(each[1] == 0.0 for each in ear.heard)
    assert dial.looks == looks


async def test_without_an_observer_no_clock_is_read(bench: Bench, dial: Dial) -> None:
    """It costs nothing that nobody asked for."""
    actor = await bench.open(capacity=2)
    await asyncio.gather(*(actor.ask(bench.note(n)) for n in range(20)))
    assert dial.looks == 0


@pytest.mark.parametrize("error", [KeyError("secret"), asyncio.CancelledError("secret")])
async def test_an_observer_that_raises_is_dropped(
    bench: Bench, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    """Logged once, by its type; the owner and its callers do not notice."""
    ear = Ear(error)
    actor = await bench.open()
    actor.observe(ear)
    with caplog.at_level(logging.ERROR, "soleowner"):
        assert [await actor.ask(bench.note(n)) for n in range(3)] == [1, 2, 3]
    assert len(ear.heard) == 1
    assert [record.getMessage() for record in caplog.records] == [
        f"an observer failed with {type(error).__name__} and is dropped"
    ]


async def test_an_observer_put_in_place_by_the_one_that_failed_stays(bench: Bench) -> None:
    """Only who failed is dropped."""
    actor = await bench.open()
    after = Ear()

    class Last(Ear):
        def batch(self, commands: int, waited: float, served: float, /) -> None:
            actor.observe(after)
            raise KeyError

    actor.observe(Last())
    for n in range(3):
        await actor.ask(bench.note(n))
    assert len(after.heard) == 2


async def test_refusals_are_counted_by_kind(bench: Bench) -> None:
    """Expected errors by class; what the caller's own code raised is no refusal."""
    actor = await bench.open()
    errors = [ValueError(), UnicodeError(), ValueError(), CallerError(KeyError())]
    replies = [actor.ask(bench.fail(error)) for error in errors]
    await asyncio.wait(replies)
    await actor.ask(bench.note(1))
    assert [type(each.exception()) for each in replies][-1] is KeyError
    assert actor.statistics().refusals == {"ValueError": 2, "UnicodeError": 1}


async def test_each_owner_counts_its_own(bench: Bench) -> None:
    """And what one was given does not move."""
    actor = await bench.open()
    await asyncio.gather(actor.ask(bench.fail(ValueError())), return_exceptions=True)
    before = actor.statistics()
    async with Actor(LoopRunner(bench.state, expected=(ValueError,))) as other:
        await asyncio.gather(other.ask(bench.fail(ValueError())), return_exceptions=True)
        assert other.statistics().refusals == {"ValueError": 1}
    await asyncio.gather(actor.ask(bench.fail(ValueError())), return_exceptions=True)
    assert before.refusals == {"ValueError": 1}
    assert actor.statistics().refusals == {"ValueError": 2}
