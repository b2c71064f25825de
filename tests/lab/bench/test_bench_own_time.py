"""Time without what other programs took, as far as the system tells."""

from __future__ import annotations

import sys
import threading
import time

import pytest
from sessionlab.bench import own_time
from sessionlab.bench.own_time import OwnTime


def busy(seconds: float) -> None:
    """Work so long, of the processor's time of this thread."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_work_counts_and_so_does_waiting_for_something() -> None:
    """A disk, say: it is not another program's fault."""
    laps: list[float] = []
    for _ in range(3):
        watch = OwnTime()
        busy(0.02)
        time.sleep(0.02)
        laps.append(watch.lap() / 1e9)
    # Who is put aside between reading the clock and the system's count has too little once.
    assert max(laps) >= 0.038


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_time_of_other_programs_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that could have run, and was not let."""
    mine = threading.get_native_id()
    assert own_time._threads()[mine][0] > 0
    told = iter([{mine: (0, 0)}, {mine: (1_000_000, 19_000_000)}])
    monkeypatch.setattr(own_time, "_threads", lambda: next(told))
    moments = iter([0, 20_000_000])
    monkeypatch.setattr(own_time, "perf_counter_ns", lambda: next(moments))
    monkeypatch.setattr(own_time, "thread_time_ns", lambda: 0)
    assert OwnTime().lap() == 1_000_000


@pytest.mark.parametrize("others", [{}, {1: (900_000, 0)}], ids=["not told", "several threads"])
def test_without_processor_times_the_clock_counts(
    others: dict[int, tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One may have run while another waited."""
    mine = threading.get_native_id()
    after = {mine: (1_000_000, 19_000_000), **others} if others else {}
    told = iter([{mine: (0, 0)} if others else {}, after])
    monkeypatch.setattr(own_time, "_threads", lambda: next(told))
    watch = OwnTime()
    time.sleep(0.02)
    assert watch.lap() / 1e9 >= 0.02
