"""An observer is called for each batch, and cannot harm the owner."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from soleowner import Actor, CallerError, LoopRunner

if TYPE_CHECKING:
    from tests.engine.conftest import ActorFactory

ObservedBatch = tuple[int, float, float]


class RecordingObserver:
    """Records each call; raises if the test says so."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.batches: list[ObservedBatch] = []
        self.error = error

    def batch(self, commands: int, waited: float, served: float, /) -> None:
        self.batches.append((commands, waited, served))
        if self.error is not None:
            raise self.error


class FakeClock:
    """A clock set by hand, in place of `time.perf_counter`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.reads = 100.0, 0
        monkeypatch.setattr("time.perf_counter", self.read)

    def read(self) -> float:
        self.reads += 1
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """A clock in place of `time.perf_counter`."""
    return FakeClock(monkeypatch)


async def test_an_observer_is_called_for_each_batch(actors: ActorFactory, clock: FakeClock) -> None:
    """How many commands, how long the first waited, how long serving took."""
    recorder = RecordingObserver()
    async with Actor(actors.runner, observer=recorder) as actor:
        await actors.hold(actor)  # taken at 100
        actor.ask(actors.note("first"))
        clock.now = 103.0
        last = actor.ask(actors.do(lambda: setattr(clock, "now", 110.0)))
        clock.now = 105.0
        actors.release()
        await last
        await asyncio.sleep(0)
        assert recorder.batches == [(1, 0.0, 5.0), (2, 5.0, 5.0)]


async def test_waiting_time_counts_from_the_place_in_the_mailbox(
    actors: ActorFactory, clock: FakeClock
) -> None:
    """The next batch begins when the one before is taken."""
    recorder = RecordingObserver()
    async with Actor(actors.runner, capacity=1, observer=recorder) as actor:
        await actors.hold(actor)
        replies = [actor.ask(actors.note(n)) for n in range(2)]  # the second stands in line
        clock.now = 107.0
        actors.release()
        await asyncio.gather(*replies)
        await asyncio.sleep(0)
        assert [waited for _, waited, _ in recorder.batches] == [0.0, 7.0, 0.0]


async def test_an_open_actor_can_be_observed_and_left_alone(
    actors: ActorFactory, clock: FakeClock
) -> None:
    """Attached later, it hears from the next batch on; and no more once it is taken away."""
    actor = await actors.open()
    await actor.ask(actors.note(1))
    assert clock.reads == 0
    queued = actor.ask(actors.note(2))
    recorder = RecordingObserver()
    actor.observe(recorder)
    await queued
    await actor.ask(actors.note(3))
    actor.observe(None)
    reads = clock.reads
    await actor.ask(actors.note(4))
    assert [each[0] for each in recorder.batches] == [1, 1]
    assert all(each[1] == 0.0 for each in recorder.batches)
    assert clock.reads == reads


async def test_without_an_observer_no_clock_is_read(actors: ActorFactory, clock: FakeClock) -> None:
    """Without an observer it costs nothing."""
    actor = await actors.open(capacity=2)
    await asyncio.gather(*(actor.ask(actors.note(n)) for n in range(20)))
    assert clock.reads == 0


@pytest.mark.parametrize("error", [KeyError("secret"), asyncio.CancelledError("secret")])
async def test_an_observer_that_raises_is_dropped(
    actors: ActorFactory, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    """Logged once, by its type; the owner and its callers do not notice."""
    recorder = RecordingObserver(error)
    actor = await actors.open()
    actor.observe(recorder)
    with caplog.at_level(logging.ERROR, "soleowner"):
        assert [await actor.ask(actors.note(n)) for n in range(3)] == [1, 2, 3]
    assert len(recorder.batches) == 1
    assert [record.getMessage() for record in caplog.records] == [
        f"an observer failed with {type(error).__name__} and is dropped"
    ]


async def test_an_observer_put_in_place_by_the_one_that_failed_stays(actors: ActorFactory) -> None:
    """Only the failed observer is dropped."""
    actor = await actors.open()
    after = RecordingObserver()

    class Last(RecordingObserver):
        def batch(self, commands: int, waited: float, served: float, /) -> None:
            actor.observe(after)
            raise KeyError

    actor.observe(Last())
    for n in range(3):
        await actor.ask(actors.note(n))
    assert len(after.batches) == 2


async def test_refusals_are_counted_by_kind(actors: ActorFactory) -> None:
    """Expected errors by class; what the caller's own code raised is no refusal."""
    actor = await actors.open()
    errors = [ValueError(), UnicodeError(), ValueError(), CallerError(KeyError())]
    replies = [actor.ask(actors.fail(error)) for error in errors]
    await asyncio.wait(replies)
    await actor.ask(actors.note(1))
    assert [type(each.exception()) for each in replies][-1] is KeyError
    assert actor.statistics().refusals == {"ValueError": 2, "UnicodeError": 1}


async def test_each_owner_counts_its_own(actors: ActorFactory) -> None:
    """Statistics that were returned do not change."""
    actor = await actors.open()
    await asyncio.gather(actor.ask(actors.fail(ValueError())), return_exceptions=True)
    before = actor.statistics()
    async with Actor(LoopRunner(actors.state, expected=(ValueError,))) as other:
        await asyncio.gather(other.ask(actors.fail(ValueError())), return_exceptions=True)
        assert other.statistics().refusals == {"ValueError": 1}
    await asyncio.gather(actor.ask(actors.fail(ValueError())), return_exceptions=True)
    assert before.refusals == {"ValueError": 1}
    assert actor.statistics().refusals == {"ValueError": 2}
