"""At its end a run looks at what is stored, and says what is lost, or there too often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sessionkeeper.bench import (
    BenchResult,
    Load,
    Measured,
    MeasuringFailed,
    Plan,
    Work,
    anything_lost,
    target_named,
    told_stored,
)
from sessionkeeper.bench.steps import steps_of

BAD = ("Loses", "AppendsTwice", "RefusesAppends")

Run = Callable[..., BenchResult]


@pytest.fixture(scope="module")
def result(measured: Run) -> BenchResult:
    """Three that are bad on purpose, and three that are not, under one load."""
    names = ("Loses", "AppendsTwice", "RefusesAppends", "Sound", "memory", "sqlite-os")
    return measured(*names, frames=3)


def under_load(result: BenchResult, name: str) -> Measured:
    """One of them."""
    [subject] = [each for each in result.subjects if each.name.endswith(name)]
    [measured] = subject.measured
    return measured


@pytest.mark.any_loop
def test_what_is_lost_and_what_is_there_twice_is_counted(result: BenchResult) -> None:
    """Each tenth was forgotten, or retried, or stored and called a failure, which may be either."""
    stored = under_load(result, "Loses").stored
    assert stored.messages > 100
    assert stored.lost_messages == pytest.approx(stored.messages / 10, abs=2)
    assert (stored.extra_messages, stored.unknown) == (0, 0)
    said, alarm = told_stored(stored)
    assert said.startswith(f"lost {stored.lost_messages:,} of {stored.messages:,} messages, ")
    assert alarm
    assert anything_lost(result)

    twice = under_load(result, "AppendsTwice").stored
    assert twice.extra_messages == pytest.approx(twice.messages / 10, abs=2)
    assert twice.lost_messages == 0
    assert told_stored(twice)[1]

    refuses = under_load(result, "RefusesAppends")
    assert refuses.stored.unknown == refuses.errors["ConnectionError"] > 10
    assert not told_stored(refuses.stored)[1]
    assert refuses.latency is not None
    assert sum(work.count for work in refuses.works) == refuses.latency.count


@pytest.mark.any_loop
def test_lost_updates_are_counted(result: BenchResult) -> None:
    """Of a subject that awaits between read and write."""
    stored = under_load(result, "Loses").stored
    assert 0 < stored.lost_updates < stored.updates


@pytest.mark.any_loop
def test_the_stores_of_this_library_lose_nothing(result: BenchResult) -> None:
    """Everything acknowledged is there, once, in memory and in a file, beside what was there
    before; and what is not offered by another one is left out for that one, and said."""
    sound = [subject for subject in result.subjects if not subject.name.endswith(BAD)]
    for subject in sound:
        [measured] = subject.measured
        assert measured.errors == {}
        assert measured.stored.checked
        assert measured.stored.messages > 0
        assert told_stored(measured.stored)[1] is False
        assert measured.per_second.median > 0
    assert [subject.measured[0].mailbox_depth is None for subject in sound] == [True, False, False]
    lacks = [subject.lacks for subject in sound]
    assert lacks == [("no durability", "<b>no</b> shame"), ("no durability",), ()]
    assert [subject.measured[0].left_out for subject in sound] == [("touch",), (), ()]


@pytest.mark.any_loop
def test_several_processes_share_a_file(measured: Run) -> None:
    """What all of them were told is stored is there; and half of what they did in a second is an
    open loop of its own."""
    [subject] = measured("sqlite-os", workers=2, half=True, mix="append").subjects
    closed, half = subject.measured
    for each in (closed, half):
        assert each.stored.messages > 20
        assert told_stored(each.stored)[1] is False
    assert half.load == replace(
        closed.load, callers=1, rate=closed.per_second.median / 2, half=True
    )
    assert half.latency is not None
    assert half.latency.p99_over_p50 == half.latency.p99_us / half.latency.p50_us


@pytest.mark.any_loop
def test_what_cannot_be_measured_is_one_line(measured: Run) -> None:
    """With its name and why."""
    with pytest.raises(MeasuringFailed) as failed:
        measured("CannotOpen")
    said = "subjects_on_purpose:CannotOpen: OSError: nobody listens there"
    assert str(failed.value) == said


def test_a_mix_of_which_nothing_is_offered_is_refused(load: Load) -> None:
    """There would be nothing to measure."""
    with pytest.raises(ValueError, match="it offers nothing of the mix append"):
        steps_of(replace(load, mix="append"), [Work.GET], seed=1)


def test_a_store_of_one_process_is_not_shared(load: Load) -> None:
    """Each process would measure its own."""
    with pytest.raises(ValueError, match="plain lives in one process"):
        Plan((target_named("plain"),), (load,), 1, "asyncio", workers=2)
