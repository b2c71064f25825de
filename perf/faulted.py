"""Faults under load: `python perf/faulted.py --operations 200000 --seconds 3600`.

Starts its own servers and writers on this machine, has many callers use them, and meanwhile cuts
connections, kills and pauses servers and writers, and changes the roles of servers. Then everything
that is there is compared with everything that was answered. An operation is *faulted* if a fault
was in force, on what its store uses, at any moment between its call and its answer; of a fault of
one node of a cluster, only if its session was there. A fault is counted once, however many
operations it met. Exit code 1: something was found. Needs Redis or Valkey, see docs/redis.md.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
import time
import traceback
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "redis" / "harness"))

from faulted_files import FileLane
from faulted_flaws import FLAWS, SQLITE_FLAWS, flawed
from faulted_lanes import ServerLane
from faulted_load import GRACE
from faulted_servers import KINDS
from redis_engines import ENGINES
from redis_watchdog import Watchdog

__all__ = ["main", "read_arguments", "run"]

Lane: TypeAlias = ServerLane | FileLane
FILES = "files"
SOME_GRACE = 3.0
"""Of a store with a flaw: nothing is proved by waiting longer."""


def read_arguments(words: Sequence[str] | None = None) -> Namespace:
    """What is asked for on the command line."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument(
        "--operations", type=int, default=2_000, help="end after so many faulted ones in all"
    )
    parser.add_argument("--seconds", type=float, default=600, help="end after so long in any case")
    parser.add_argument(
        "--engine", choices=("redis", "valkey", "sqlite"), help="only this one; else all"
    )
    kinds = ", ".join((*KINDS, FILES))
    parser.add_argument(
        "--only", default="", help=f"only these kinds, with commas between: {kinds}"
    )
    parser.add_argument(
        "--seed", type=int, default=None, help="of what is chosen at random; it is printed"
    )
    parser.add_argument(
        "--broken", choices=(*FLAWS, *SQLITE_FLAWS), help="with a store that is wrong on purpose"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, and progress on stderr"
    )
    found = parser.parse_args(words)
    asked = [kind for kind in found.only.split(",") if kind]
    if unknown := [kind for kind in asked if kind not in (*KINDS, FILES)]:
        parser.error(f"--only knows {kinds}, not {', '.join(unknown)}")
    found.kinds = asked or [*KINDS, FILES]
    if found.seed is None:
        found.seed = time.time_ns() % 1_000_000
    if not _names(found):
        parser.error("nothing is left to do: files are of sqlite, all else is of the others")
    return found


async def run(asked: Namespace, folder: Path, watchdog: Watchdog) -> dict[str, Any]:
    """Run all lanes at once until there is enough; what was done and found."""
    with flawed(asked.broken) as make, ThreadPoolExecutor(64) as threads:
        # Servers are waited for in threads, by every lane at once.
        asyncio.get_running_loop().set_default_executor(threads)
        lanes = _lanes(asked, folder, watchdog, make)
        begun = time.monotonic()

        def goes_on() -> bool:
            faulted = sum(lane.counters.faulted for lane in lanes)
            if asked.broken and any(lane.findings.counted for lane in lanes):
                return False  # that is all one wants to know of it
            return bool(faulted < asked.operations and time.monotonic() - begun < asked.seconds)

        # With the exceptions returned it ends after the last lane, also when it is cancelled.
        work = (_run_lane(lane, goes_on) for lane in lanes)
        running = asyncio.gather(*work, return_exceptions=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, running.cancel)
        print("running; Ctrl-C ends it with a report", file=sys.stderr, flush=True)
        telling = asyncio.ensure_future(_progress(lanes, asked.operations))
        interrupted = False
        try:
            await running
        except asyncio.CancelledError:
            # Ctrl-C: the servers are closed by now, and what was done until then counts.
            interrupted = True
        finally:
            telling.cancel()
        report = _report(lanes, asked, time.monotonic() - begun)
        return {**report, "interrupted": interrupted}


async def _run_lane(lane: Lane, goes_on: Callable[[], bool]) -> None:
    """Run one; what ends it early is reported, and the others go on."""
    try:
        await lane.run(goes_on)
    except Exception as error:
        traceback.print_exc()
        lane.findings.add("broke off", f"{lane.name}: {error!r}")


def _names(asked: Namespace) -> list[tuple[str, str]]:
    """Which kinds on which engines."""
    names = [
        (engine, kind)
        for kind in KINDS
        for engine in ENGINES
        if kind in asked.kinds and asked.engine in (None, engine)
    ]
    if FILES in asked.kinds and asked.engine in (None, "sqlite"):
        names.append(("sqlite", FILES))
    return names


def _lanes(asked: Namespace, folder: Path, watchdog: Watchdog, make: Any) -> list[Lane]:
    lanes: list[Lane] = []
    for engine, kind in _names(asked):
        name, where = f"{engine} {kind}", folder / f"{engine}-{kind}"
        random = Random(f"{asked.seed} {name}")
        if kind == FILES:
            flaw = asked.broken if asked.broken in SQLITE_FLAWS else None
            lanes.append(FileLane(name, where, random=random, flaw=flaw))
        else:
            target = KINDS[kind](engine, where, watchdog)
            grace = GRACE if asked.broken is None else SOME_GRACE
            lanes.append(ServerLane(name, target, random=random, make=make, grace=grace))
    return lanes


async def _progress(lanes: Sequence[Lane], wanted: int) -> None:
    while True:
        await asyncio.sleep(10)
        faulted = sum(lane.counters.faulted for lane in lanes)
        found = sum(lane.findings.counted.total() for lane in lanes)
        text = f"{faulted:,} of {wanted:,} faulted operations, {found} findings"
        print(text, file=sys.stderr, flush=True)


def _report(lanes: Sequence[Lane], asked: Namespace, seconds: float) -> dict[str, Any]:
    found: Counter[str] = Counter()
    for lane in lanes:
        found.update(lane.findings.counted)
    return {
        "seed": asked.seed,
        "seconds": round(seconds, 1),
        "operations": sum(lane.counters.operations for lane in lanes),
        "faulted": sum(lane.counters.faulted for lane in lanes),
        "findings": dict(found),
        "lanes": {
            lane.name: {
                "rounds": lane.counters.rounds,
                "operations": lane.counters.operations,
                "faulted": lane.counters.faulted,
                "faults": dict(lane.counters.faults),
                "outcomes": dict(lane.counters.outcomes),
                "late": round(lane.counters.latest, 2),
                "findings": dict(lane.findings.counted),
                "shown": lane.findings.shown,
            }
            for lane in lanes
        },
    }


def _print(report: dict[str, Any]) -> None:
    print("| on | rounds | faults | operations | faulted | unknown, resolved | findings |")
    print("|---|---|---|---|---|---|---|")
    for name, lane in report["lanes"].items():
        outcomes = lane["outcomes"]
        resolved = sum(outcomes.get(f"resolved: {how}", 0) for how in ("applied", "not applied"))
        cells = (
            name,
            lane["rounds"],
            f"{sum(lane['faults'].values()):,}",
            f"{lane['operations']:,}",
            f"{lane['faulted']:,}",
            f"{outcomes.get('unknown', 0):,}, {resolved:,}",
            lane["findings"] or 0,
        )
        print("|", " | ".join(map(str, cells)), "|")
    for lane in report["lanes"].values():
        for text in lane["shown"]:
            print(text)
    done = f"{report['faulted']:,} faulted of {report['operations']:,} operations"
    found = report["findings"] or "nothing found"
    print(f"{done} in {report['seconds']:.0f} s, seed {report['seed']}: {found}")


def main(words: Sequence[str] | None = None) -> int:
    """Run, print, and say by the exit code whether something was found."""
    asked = read_arguments(words)
    print(f"seed {asked.seed}", file=sys.stderr)
    watchdog = Watchdog()
    try:
        with tempfile.TemporaryDirectory(prefix="faulted-") as folder:
            report = asyncio.run(run(asked, Path(folder), watchdog))
    finally:
        watchdog.close()
    if asked.json:
        print(json.dumps(report))
    else:
        _print(report)
    if report["interrupted"]:
        return 130
    return 1 if report["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
