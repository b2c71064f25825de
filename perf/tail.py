"""How late the last in a thousand is with a million sessions held: `python perf/tail.py`.

Beside the same with a thousand, in short turns, in memory, five messages in each session; needs
3 GB and minutes. As root on Linux nobody else runs in a turn: otherwise it shows how long other
programs keep the processor, and its last line says so.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import sleep

from sessionkeeper.bench import Latency, Load, target_named
from sessionkeeper.bench.latencies import Histogram
from sessionkeeper.bench.orders import Opened, Prepare, RoundReport, Run, Start
from sessionkeeper.bench.team import Team

FEW, MANY, FRAMES = 1_000, 1_000_000, 5
RATE, TURN, TURNS = 20_000.0, 0.4, 9
MOST = 3.0


def load_of(sessions: int, mix: str) -> Load:
    """An open loop over so many sessions, all of them alike."""
    return Load(
        mix=mix,
        callers=1,
        rate=RATE,
        sessions=sessions,
        skew=0.0,
        sizes=(100,),
        seconds=TURN,
        warmup=0.0,
        seed=1,
        frames=FRAMES,
    )


@contextmanager
def alone(pid: int) -> Iterator[bool]:
    """Let nobody else run on its processor, for less than the system's limit of 0.95 s."""
    try:
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(5))
    except (AttributeError, OSError):
        yield False
        return
    try:
        yield True
    finally:
        os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))


def turn_of(team: Team, whole: Histogram) -> tuple[Latency, bool]:
    """One turn of a side, counted with its others too."""
    with alone(team.pids[0]) as quiet:
        [report] = team.order([(0, Run())], RoundReport)
    sleep(1.0)  # the limit is for each second
    histogram = Histogram()
    for encoded in report.histograms.values():
        histogram.add_encoded(encoded)
    whole.add(histogram)
    latency = histogram.latency()
    assert latency is not None
    return latency, quiet


def main(mix: str) -> int:
    """Measure and print; 1 when it is missed."""
    target = target_named("memory")
    with tempfile.TemporaryDirectory() as folder:
        start = Start(target.asked, folder, "uvloop")
        with (
            Team("few", start, 1, run="few", stopping=lambda: False) as few,
            Team("many", start, 1, run="many", stopping=lambda: False) as many,
        ):
            for team, sessions in ((few, FEW), (many, MANY)):
                team.order([(0, Prepare(load_of(sessions, mix), 0, 0, fill=True))], Opened)
                turn_of(team, Histogram())  # warm
            wholes = Histogram(), Histogram()
            ratios: list[float] = []
            for _ in range(TURNS):
                small, _ = turn_of(few, wholes[0])
                large, quiet = turn_of(many, wholes[1])
                ratios.append(large.p999_us / small.p999_us)
    for sessions, whole in zip((FEW, MANY), wholes, strict=True):
        latency = whole.latency()
        assert latency is not None
        print(
            f"{sessions:9,} sessions: p50 {latency.p50_us:.1f} µs, p99 {latency.p99_us:.1f},"
            f" p99.9 {latency.p999_us:.1f}, longest {latency.max_us:.0f}"
        )
    got = median(ratios)
    print(
        f"p99.9, of {TURNS} turns: {got:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), <= {MOST:g}"
    )
    if not quiet:
        print("other programs ran in between: read it as theirs")
    return 0 if got <= MOST else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "single"))
