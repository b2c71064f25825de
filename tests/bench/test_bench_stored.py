"""At its end a run looks at what is stored, and says what is lost, or there too often."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sessionkeeper.bench import (
    BenchResult,
    Load,
    Measured,
    MeasuringFailed,
    Plan,
    anything_lost,
    target_named,
    told_stored,
)

Run = Callable[..., BenchResult]


def only(result: BenchResult) -> Measured:
    """The one subject under the one load."""
    [subject] = result.subjects
    [measured] = subject.measured
    return measured


def test_what_is_lost_and_what_is_there_twice_is_counted(measured: Run) -> None:
    """Each tenth was forgotten, or retried, or stored and called a failure, which may be either."""
    names = ("LosesAppends", "AppendsTwice", "RefusesAppends")
    result = measured(*names, mix="append", warmup=0.0)
    loses, twice, refuses = (subject.measured[0] for subject in result.subjects)

    stored = loses.stored
    assert stored.messages > 100
    assert stored.lost_messages == pytest.approx(stored.messages / 10, abs=2)
    assert (stored.extra_messages, stored.unknown) == (0, 0)
    said = f"lost {stored.lost_messages:,} of {stored.messages:,} messages"
    assert told_stored(stored) == (said, True)
    assert anything_lost(result)

    assert twice.stored.extra_messages == pytest.approx(twice.stored.messages / 10, abs=2)
    assert twice.stored.lost_messages == 0
    assert told_stored(twice.stored)[1]

    assert refuses.stored.unknown == refuses.errors["ConnectionError"] > 10
    assert not told_stored(refuses.stored)[1]
    assert refuses.latency is not None
    assert sum(work.count for work in refuses.works) == refuses.latency.count


def test_lost_updates_are_counted(measured: Run) -> None:
    """A design of the lab and a subject that both await between read and write."""
    result = measured("LosesUpdates", "read-modify-write", mix="hot")
    for subject in result.subjects:
        [under_load] = subject.measured
        assert 0 < under_load.stored.lost_updates < under_load.stored.updates


def test_the_stores_of_this_library_lose_nothing(measured: Run) -> None:
    """Everything acknowledged is there, once, in memory and in a file; and what is not offered by
    another one is left out for that one, and said."""
    result = measured("memory", "plain", "sqlite-os", "Sound")
    assert not anything_lost(result)
    for subject in result.subjects:
        [under_load] = subject.measured
        assert under_load.errors == {}
        assert under_load.stored.checked
        assert under_load.stored.messages > 0
        assert under_load.per_second.median > 0
    depths = [subject.measured[0].mailbox_depth for subject in result.subjects]
    assert depths[1] is None
    assert depths[0] is not None
    lacks = [subject.lacks for subject in result.subjects]
    assert lacks == [*[("no durability",)] * 2, (), ("no durability", "<b>no</b> shame")]
    assert [subject.measured[0].left_out for subject in result.subjects] == [(), (), (), ("touch",)]


def test_several_processes_share_a_file(measured: Run) -> None:
    """What all of them were told is stored is there."""
    found = only(measured("sqlite-os", workers=2, rounds=2, mix="append"))
    assert found.stored.messages > 20
    assert told_stored(found.stored)[1] is False
    assert found.rounds == 2


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("CannotOpen", "subjects_on_purpose:CannotOpen: OSError: nobody listens there"),
        ("Flat", "subjects_on_purpose:Flat: it offers nothing of the mix append"),
    ],
)
def test_what_cannot_be_measured_is_one_line(measured: Run, name: str, why: str) -> None:
    """With its name and why."""
    with pytest.raises(MeasuringFailed) as failed:
        measured(name, mix="append")
    assert str(failed.value) == why


def test_a_store_of_one_process_is_not_shared(load: Load) -> None:
    """Each process would measure its own."""
    with pytest.raises(ValueError, match="plain lives in one process"):
        Plan((target_named("plain"),), (load,), 1, "asyncio", workers=2)
