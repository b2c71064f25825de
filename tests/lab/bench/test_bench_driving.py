"""A load shows what it is there to show: waiting, gaps, errors, and what never answers."""

from __future__ import annotations

import asyncio
import gc
import time
from dataclasses import replace
from typing import Any

import pytest
from sessionlab.bench import LatencySummary, Load, Subject, Work
from sessionlab.bench import driver as driving
from sessionlab.bench.driver import LoadGenerator
from sessionlab.bench.latencies import Histogram
from sessionlab.bench.load_steps import choose_steps
from sessionlab.bench.loop_monitor import LoopMonitor


async def driven(subject: Subject, load: Load) -> LoadGenerator:
    """A subject with its sessions, and what drives it."""
    keys = [f"s{number}" for number in range(load.sessions)]
    for key in keys:
        await subject.create(key)
    return LoadGenerator(subject, load, keys, choose_steps(load, subject.offers, seed=1), own="own")


async def measure_calls(drive: LoadGenerator, count: int) -> None:
    """Until so many are done, however long that takes."""

    async def stop() -> None:
        while drive.completed < count:
            await asyncio.sleep(0)
        drive.stop()

    await asyncio.gather(drive.measure(60.0), stop())


def latency_of(drive: LoadGenerator) -> LatencySummary:
    """Of everything it asked."""
    histogram = Histogram()
    for samples in drive.samples.values():
        histogram.record(samples)
    latency = histogram.latency()
    assert latency is not None
    return latency


async def test_a_stall_shows_in_an_open_loop_and_hides_in_a_closed_one(
    subjects: Any, load: Load
) -> None:
    """What came during the stall waited for it, on the clock; a polite caller asked once."""
    stall_us = subjects.STALL * 1e6
    opened = await driven(subjects.StallsOnce(), replace(load, mix="read", rate=1_000.0))
    await opened.measure(0.5)
    closed = await driven(subjects.StallsOnce(), replace(load, mix="read", callers=1))
    await measure_calls(closed, 2_000)
    assert latency_of(opened).p90_us > 0.3 * stall_us
    assert latency_of(closed).max_us > 0.9 * stall_us
    assert latency_of(closed).p99_us < 0.1 * stall_us


async def test_arrivals_come_at_their_rate(subjects: Any, load: Load) -> None:
    """As many as were due, whoever is served when; those that came last, in a stall, are no less
    begun: a store that is busy when a round ends is none that cannot keep up."""
    drive = await driven(subjects.StallsOnce(), replace(load, mix="read", rate=1_000.0))
    await drive.measure(0.2)
    assert (drive.completed, drive.late) == (200, 0)


async def test_arrivals_that_are_never_begun_are_counted_with_their_wait(
    subjects: Any, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subject that cannot keep up does not look quick for it."""
    monkeypatch.setattr(driving, "_BACKLOG", 4)
    monkeypatch.setattr(driving, "_GRACE", 0.05)
    subject = subjects.Hangs()
    drive = await driven(subject, replace(load, mix="append", rate=1_000.0))
    seconds = await drive.measure(0.3)
    assert drive.late > 100
    waits = drive.samples[Work.APPEND]
    assert len(waits) == drive.late + drive.errors["CancelledError"]
    assert 0.5 * seconds < max(waits) / 1e9 <= seconds


async def test_a_hanging_call_is_abandoned_and_may_be_stored_or_not(
    subjects: Any, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The round ends, and nothing of it counts as done."""
    monkeypatch.setattr(driving, "_GRACE", 0.05)
    drive = await driven(subjects.Hangs(), replace(load, mix="append"))
    await drive.measure(0.05)
    assert drive.completed == 0
    assert drive.errors["CancelledError"] == sum(drive.unknown[Work.APPEND]) == load.callers


async def test_a_stopped_round_ends_early_and_keeps_what_it_measured(
    subjects: Any, load: Load
) -> None:
    """Nobody waits for the minute to pass."""
    drive = await driven(subjects.Sound(), load)
    asyncio.get_running_loop().call_later(0.05, drive.stop)
    assert await drive.measure(60.0) < 30.0
    assert drive.completed > 0


async def test_a_round_ends_when_it_holds_enough(
    subjects: Any, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load is no siege."""
    monkeypatch.setattr(driving, "MAX_ROUND_BYTES", 10_000)
    drive = await driven(subjects.Sound(), replace(load, mix="append"))
    await drive.measure(60.0)
    assert drive.ended_early
    assert 100 <= sum(drive.acknowledged[Work.APPEND]) <= 100 + load.callers


async def test_everything_of_a_mix_is_asked_for(subjects: Any, load: Load) -> None:
    """What is rare comes too; what is not offered is left out."""
    drive = await driven(subjects.Sound(), load)
    await measure_calls(drive, 20_000)
    asked = {work for work, samples in drive.samples.items() if samples}
    assert asked == {*Work} - {Work.SET, Work.TOUCH}
    assert drive.errors == {}


def test_a_hot_session_is_asked_for_more_often(load: Load) -> None:
    """Zipf: with exponent 1 the first of twenty gets a quarter, with 0 a twentieth."""

    def share(skew: float) -> float:
        steps = choose_steps(replace(load, skew=skew), [Work.GET], seed=1)
        return sum(step.place == 0 for step in steps) / len(steps)

    assert share(1.0) == pytest.approx(0.278, abs=0.02)
    assert share(0.0) == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("blocked", [0.05, 0.1])
async def test_a_loop_that_is_held_up_is_seen(blocked: float) -> None:
    """The longest gap is as long as the loop was held up."""
    with LoopMonitor() as watch:
        await asyncio.sleep(0.01)
        gc.collect()
        time.sleep(blocked)
        await asyncio.sleep(0.01)
    assert watch.longest / 1e9 > 0.8 * blocked
    assert watch.pauses >= 1
    assert 0 < watch.longest_pause <= watch.paused


async def test_the_depth_of_a_queue_is_its_deepest() -> None:
    """Seen while it is watched."""
    depths = [5, 7, 3]
    with LoopMonitor(lambda: depths.pop() if depths else None) as watch:
        while depths:
            await asyncio.sleep(0.001)
    assert watch.deepest == 7


def test_a_histogram_counts_all_and_travels() -> None:
    """Three digits, whatever way it took."""
    one, other = Histogram(), Histogram()
    one.record(range(1_000, 1_001_000, 1_000))
    other.add_encoded(one.encoded())
    other.record([10**15])
    other.record([500_000] * 99)
    latency = other.latency()
    assert latency is not None
    assert latency.count == len(other) == 1_100
    assert latency.p50_us == pytest.approx(500, rel=0.01)
    assert latency.p99_us == pytest.approx(989, rel=0.01)
    assert latency.max_us == pytest.approx(3.6e9, rel=0.01)
    assert Histogram().latency() is None
