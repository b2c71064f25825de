"""How long a store in a file holds up the loop: `python perf/sqlite_stall.py`, on both loops.

A turn of the loop takes as long as the machine lets it: others want the processor, too. So the same
loop is timed beside a store and beside a thread that only sleeps, in turn, in one run; the wall
time of the longest turns is what users feel, and the processor time that the loop's own thread
spent in them is what is ours: a turn that is long in wall time alone waited for the processor, or
for the interpreter's lock.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from subprocess import PIPE, Popen

import uvloop
from harness import options
from ratios import envelope
from sessionkeeper import Session, SQLiteSessionStore

SECONDS = 1.5
ROUNDS = 5
HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("ready", flush=True)
sys.stdin.readline()
"""


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of a loop over some time, in milliseconds."""

    longest: float
    thousandth: float
    """Of a thousand turns, one takes longer."""
    own: float
    """The most processor time the loop's own thread spent in one turn."""


async def watch(seconds: float) -> Turns:
    """Time each turn of the loop."""
    walls: list[float] = []
    owns: list[float] = []
    over = time.perf_counter() + seconds
    before, own = time.perf_counter(), time.thread_time()
    while before < over:
        await asyncio.sleep(0)
        now, own_now = time.perf_counter(), time.thread_time()
        walls.append(now - before)
        owns.append(own_now - own)
        before, own = now, own_now
    walls.sort()
    return Turns(1e3 * walls[-1], 1e3 * walls[-1 - len(walls) // 1000], 1e3 * max(owns))


@asynccontextmanager
async def nothing(_: SQLiteSessionStore, __: Path) -> AsyncIterator[None]:
    """A thread that waits, as the store's does, and no store at work."""
    wait = asyncio.create_task(asyncio.to_thread(time.sleep, SECONDS))
    yield
    await wait


@asynccontextmanager
async def a_held_lock(store: SQLiteSessionStore, path: Path) -> AsyncIterator[None]:
    """Another process holds the lock, and 64 callers wait to write."""
    holder = await asyncio.to_thread(_holder, path)
    assert holder.stdout is not None
    await asyncio.to_thread(holder.stdout.readline)
    waiting = [asyncio.create_task(store.add_frame(envelope(f"s{n}"))) for n in range(64)]
    yield
    assert not any(each.done() for each in waiting)
    await asyncio.to_thread(holder.communicate, "go\n")
    await asyncio.gather(*waiting)


def _holder(path: Path) -> Popen[str]:
    return Popen([sys.executable, "-c", HOLD, str(path)], stdin=PIPE, stdout=PIPE, text=True)


@asynccontextmanager
async def writers(store: SQLiteSessionStore, _: Path) -> AsyncIterator[None]:
    """64 callers append one frame of 1 KB after the other."""
    tasks = [asyncio.create_task(_for_ever(store, n)) for n in range(64)]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _for_ever(store: SQLiteSessionStore, n: int) -> None:
    while True:
        await store.add_frame(envelope(f"s{n}"))


SIDES = (nothing, a_held_lock, writers)


async def measured() -> dict[str, list[Turns]]:
    """All sides in turn."""
    found: dict[str, list[Turns]] = {side.__name__: [] for side in SIDES}
    for _ in range(ROUNDS):
        for side in SIDES:
            with tempfile.TemporaryDirectory(prefix="perf-") as folder:
                path = Path(folder) / "store.db"
                async with SQLiteSessionStore(path, lock_timeout=60) as store:
                    for n in range(64):
                        await store.create_session(Session.new(transport_type="stdio", id=f"s{n}"))
                    gc.collect()
                    async with side(store, path):
                        found[side.__name__].append(await watch(SECONDS))
    return found


def report(loop: str, run: Callable[[Awaitable[dict[str, list[Turns]]]], object]) -> None:
    """Print the medians of the rounds, and their spread."""
    found = run(measured())
    assert isinstance(found, dict)
    for side, turns in found.items():
        parts = [
            f"{name} {median(values):6.2f} ms ({min(values):.2f} to {max(values):.2f})"
            for name, values in (
                ("longest turn", [each.longest for each in turns]),
                ("1 in 1,000", [each.thousandth for each in turns]),
                ("own time in one", [each.own for each in turns]),
            )
        ]
        print(f"{loop:8} {side.replace('_', ' '):12} {', '.join(parts)}", flush=True)


def main() -> None:
    """Measure on both loops."""
    options(__doc__).parse_args()
    print(f"SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    report("asyncio", asyncio.run)  # type: ignore[arg-type]  # a coroutine is awaitable
    report("uvloop", uvloop.run)  # type: ignore[arg-type]  # as above


if __name__ == "__main__":
    main()
