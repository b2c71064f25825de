"""A store's clock goes on over a restart of the machine, by what the wall clock says."""

from __future__ import annotations

import pytest
from sessionkeeper.backends.sqlite.store_counters import LONGEST_GAP, ClockStamp, StoreClock

from tests.support.sessions import FakeClock

STAMP = ClockStamp(boot="an earlier start", offset=1_000.0, wall=1_700_000_000.0, steady=500.0)


@pytest.mark.parametrize(
    ("closed", "counted"),
    [(0.0, 0.0), (60.0, 60.0), (-60.0, 0.0), (LONGEST_GAP + 60.0, LONGEST_GAP)],
)
def test_after_a_restart_the_store_is_older_by_the_time_it_was_closed(
    closed: float, counted: float
) -> None:
    clock = FakeClock()
    clock.wall = STAMP.wall + closed
    age = StoreClock(clock.as_clock())
    assert age.follow(STAMP)
    assert age.now() == pytest.approx(STAMP.offset + STAMP.steady + counted)
    clock.advance(5.0)
    assert age.now() == pytest.approx(STAMP.offset + STAMP.steady + counted + 5.0)


def test_while_the_machine_runs_no_jump_of_the_wall_clock_shows() -> None:
    clock = FakeClock()
    age = StoreClock(clock.as_clock())
    age.follow(STAMP)
    stamp, other = age.stamp(), StoreClock(clock.as_clock())
    clock.wall += 3_600.0
    clock.steady += 1.0
    assert not other.follow(stamp)
    assert other.now() == age.now()
