"""At its end a run looks at what is stored, and says what is lost, or there too often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sessionlab.bench import (
    BenchPlan,
    BenchResult,
    Load,
    LoadResult,
    MeasurementFailed,
    Work,
    describe_losses,
    has_losses,
    parse_target,
    run_benchmark,
)
from sessionlab.bench.load_steps import choose_steps
from sessionlab.bench.losses import compare_stored
from sessionlab.bench.round_setup import count_all_stored, fill

BAD = ("Loses", "AppendsTwice", "RefusesAppends")

Run = Callable[..., BenchResult]


@pytest.fixture(scope="module")
def result(measured: Run) -> BenchResult:
    """Three that are bad on purpose, and three that are not, under one load."""
    names = ("Loses", "AppendsTwice", "RefusesAppends", "Sound", "memory", "sqlite-os")
    # Of a tenth of a second a process may get a few milliseconds on a busy machine.
    return measured(*names, frames=3, seconds=0.5)


def under_load(result: BenchResult, name: str) -> LoadResult:
    """One of them."""
    [subject] = [each for each in result.subjects if each.name.endswith(name)]
    [measured] = subject.measured
    return measured


@pytest.mark.any_loop
def test_lost_and_duplicate_messages_are_counted(result: BenchResult) -> None:
    """Each tenth was forgotten, or retried, or stored and called a failure, which may be either."""
    stored = under_load(result, "Loses").stored
    assert stored.messages > 100
    before = 3 * 20
    assert stored.lost_messages == pytest.approx((stored.messages - before) / 10, abs=2)
    assert (stored.extra_messages, stored.unknown) == (0, 0)
    said, alarm = describe_losses(stored)
    assert said.startswith(f"lost {stored.lost_messages:,} of {stored.messages:,} messages, ")
    assert alarm
    assert has_losses(result)

    twice = under_load(result, "AppendsTwice").stored
    assert twice.extra_messages == pytest.approx((twice.messages - before) / 10, abs=2)
    assert twice.lost_messages == 0
    assert describe_losses(twice)[1]

    refuses = under_load(result, "RefusesAppends")
    assert refuses.stored.unknown == refuses.errors["ConnectionError"] > 10
    assert not describe_losses(refuses.stored)[1]
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
        assert measured.stored.messages > 3 * 20
        assert describe_losses(measured.stored)[1] is False
        assert measured.per_second.median > 0
    assert [subject.measured[0].mailbox_depth is None for subject in sound] == [True, False, False]
    limitations = [subject.limitations for subject in sound]
    assert limitations == [("no durability", "<b>no</b> shame"), ("no durability",), ()]
    assert [subject.measured[0].left_out for subject in sound] == [("touch",), (), ()]


@pytest.mark.any_loop
def test_a_session_that_is_gone_is_lost_with_all_its_messages(measured: Run) -> None:
    """Those that were there before are messages too. And what never did anything has no half."""
    forgets, never = measured(
        "Forgets", "NeverAppends", half=True, mix="append", sessions=4, frames=3
    ).subjects
    closed = forgets.measured[0]
    assert closed.stored.checked
    assert (closed.stored.lost_messages, closed.stored.extra_messages) == (3, 0)
    assert closed.stored.messages >= 4 * 3
    assert describe_losses(closed.stored)[1]
    [refused] = never.measured
    assert refused.errors.get("ConnectionError", 0) == refused.stored.unknown
    assert (refused.stored.messages, refused.stored.lost_messages) == (12, 0)


@pytest.mark.any_loop
@pytest.mark.parametrize("stopping", [False, True])
def test_a_process_that_is_killed_takes_nothing_with_it_that_was_measured(
    subjects: Any, load: Load, stopping: bool
) -> None:
    """It is told which signal that was; who wants to stop in any case is just given what there
    is."""
    asked = [False]

    def tell(_: str, /, *, done: int, total: int) -> None:
        asked[0] = stopping and done == total - 1

    target = parse_target("subjects_on_purpose:OpensOnce")
    plan = BenchPlan((target,), (load, replace(load, callers=2)), rounds=1, loop="asyncio")
    if stopping:
        result = run_benchmark(plan, tell=tell, stopping=lambda: asked[0])
    else:
        with pytest.raises(MeasurementFailed, match="its process was ended by SIGKILL") as failed:
            run_benchmark(plan, tell=tell)
        assert failed.value.partial_result is not None
        result = failed.value.partial_result
    assert result.interrupted
    [subject] = result.subjects
    assert [each.load for each in subject.measured] == [load]
    assert subject.measured[0].stored.checked


@pytest.mark.any_loop
def test_nobody_is_measured_while_another_one_starts(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that starts takes half a second of a processor. Here none is let start, until it
    has been waited for."""
    go = tmp_path / "go"
    waits = f"import os, time\nwhile not os.path.exists({str(go)!r}):\n    time.sleep(0.01)\n"
    (tmp_path / "sitecustomize.py").write_text(waits)
    monkeypatch.syspath_prepend(str(tmp_path))
    looks = iter(range(3))

    def stopping() -> bool:
        if next(looks, None) is None:
            go.touch()
        return False

    def tell(_: str, /, *, done: int, total: int) -> None:
        assert go.exists()

    plan = BenchPlan((parse_target("plain"),), (load,), rounds=1, loop="asyncio")
    assert not run_benchmark(plan, tell=tell, stopping=stopping).interrupted


async def test_an_interrupt_does_not_wait_for_filling_or_checking(
    subjects: Any, load: Load
) -> None:
    """A million sessions take minutes."""
    subject = subjects.Sound()
    keys = [f"s{number}" for number in range(1_000)]
    await fill(subject, load, keys, stopped=lambda: len(subject.logs) >= 200)
    assert 200 <= len(subject.logs) < 500
    found = await count_all_stored(subject, keys, before=0, stopped=lambda: True)
    assert not found.whole
    assert describe_losses(compare_stored([], None)) == ("not checked", False)


@pytest.mark.any_loop
def test_several_processes_share_a_file(measured: Run) -> None:
    """What all of them were told is stored is there; and half of what they did in a second is an
    open loop of its own."""
    [subject] = measured("sqlite-os", workers=2, half=True, mix="append", seconds=0.5).subjects
    closed, half = subject.measured
    for each in (closed, half):
        assert each.stored.messages > 20
        assert describe_losses(each.stored)[1] is False
    assert half.load == replace(
        closed.load, callers=1, rate=closed.per_second.median / 2, half=True
    )
    assert half.latency is not None
    assert half.latency.p99_over_p50 == half.latency.p99_us / half.latency.p50_us


@pytest.mark.any_loop
def test_an_unmeasurable_store_is_reported_in_one_line(measured: Run) -> None:
    """With its name and why."""
    with pytest.raises(MeasurementFailed) as failed:
        measured("CannotOpen")
    said = "subjects_on_purpose:CannotOpen: OSError: nobody listens there"
    assert str(failed.value) == said


def test_a_mix_of_which_nothing_is_offered_is_refused(load: Load) -> None:
    """There would be nothing to measure."""
    with pytest.raises(ValueError, match="it offers no operation of the mix append"):
        choose_steps(replace(load, mix="append"), [Work.GET], seed=1)


def test_a_store_of_one_process_is_not_shared(load: Load) -> None:
    """Each process would measure its own."""
    with pytest.raises(ValueError, match="plain cannot be shared by"):
        BenchPlan((parse_target("plain"),), (load,), 1, "asyncio", workers=2)
