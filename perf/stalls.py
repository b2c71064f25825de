"""How long one long answer holds the loop: `python perf/stalls.py [OTHER CHECKOUT]`.

A task takes turns with the call and times each turn: what lies between two of its turns is what
everybody else on the loop waits for. The time is the processor time of the loop's own thread, so
that what other programs take of the machine is left out; for a file it is also the wall time, as a
thread that reads beside the loop may hold the interpreter. The longest turn is measured without the
garbage collector, and with it. With another checkout both are measured in turn, each round in new
processes. First of all it proves that it sees a stall that is made on purpose.
`--redis` adds a server; `--only WORD` takes the answers with this word in their names.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import uvloop
from own_server import own_server
from sessionkeeper import (
    ActorSessionStore,
    MessageEnvelope,
    RedisSessionStore,
    Session,
    SessionQuery,
    SQLiteSessionStore,
)
from sessionkeeper.transfer import copy_sessions, export_session

HERE = Path(__file__).parents[1]
SESSIONS, FRAMES = 1_000, 10_000
NOTE = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}'
ON_PURPOSE = 0.003
TURNS = 3

Answer = Callable[[], Awaitable[object]]


async def timed(call: Answer, clock: Callable[[], float]) -> tuple[float, float]:
    """Return the longest turn of the loop until a call has its answer, and their sum, in seconds.

    The answer is let go of after that.
    """
    task = asyncio.ensure_future(call())
    begun = before = clock()
    longest = 0.0
    while not task.done():
        await asyncio.sleep(0)
        now = clock()
        longest = max(longest, now - before)
        before = now
    task.result()
    return longest, before - begun


async def stall() -> None:
    """Hold the loop on purpose, after some turns that do not."""
    for _ in range(5):
        await asyncio.sleep(0)
    until = time.thread_time() + ON_PURPOSE
    while time.thread_time() < until:
        pass


async def see_a_stall() -> None:
    """Prove that a stall is reported, and that none is reported where there is none."""
    longest, whole = await timed(stall, time.thread_time)
    assert ON_PURPOSE <= longest <= whole < 2 * ON_PURPOSE, "the harness misses a stall"
    longest, _ = await timed(lambda: asyncio.sleep(0), time.thread_time)
    assert longest < ON_PURPOSE / 10, "the harness sees a stall that is not there"


async def fill(store: Any) -> None:
    """Create the sessions, half of them of one principal, and give the first one its frames."""
    for n in range(SESSIONS):
        of = "p" if n % 2 else None
        await store.create_session(
            Session.new(transport_type="stdio", id=f"s{n}", principal=of, metadata={"n": n})
        )
    note = MessageEnvelope.of("s0", NOTE, direction="server-to-client")
    for _ in range(0, FRAMES, 1_000):
        await store.add_frames("s0", [note] * 1_000)


async def change_all(store: Any) -> None:
    """Change every session, so that no snapshot of before is of use."""
    await asyncio.gather(*(store.touch_session(f"s{n}") for n in range(SESSIONS)))


async def watched(store: Any) -> int:
    """Take all frames from a watcher."""
    count = 0
    async for _ in store.watch_frames("s0"):
        count += 1
        if count == FRAMES:
            break
    return count


async def copied(store: Any) -> object:
    """Copy all into a store in memory."""
    async with ActorSessionStore() as target:
        return await copy_sessions(store, target)


def answers(store: Any) -> dict[str, Answer]:
    """Each long answer of a store, by name."""
    ids = [f"s{n}" for n in range(SESSIONS)]
    own, nothing = store.for_principal("p"), SessionQuery(tags_any=frozenset({"none"}))
    return {
        "list 1,000 sessions": store.list_sessions,
        "list 500 of a principal": own.list_sessions,
        "get a batch of 1,000": lambda: store.get_sessions_batch(ids),
        "find 1,000": lambda: store.find_sessions(SessionQuery(), limit=1_000),
        "find none of 1,000": lambda: store.find_sessions(nothing, limit=1_000),
        "find 1,000 by activity": lambda: store.find_sessions(
            SessionQuery(), order="last-activity", limit=1_000
        ),
        "get 10,000 frames": lambda: store.get_frames("s0"),
        "read 10,000 frames": lambda: store.read_frames("s0", limit=FRAMES),
        "search, all found": lambda: store.search_frames("s0", containing=[b"info"], limit=FRAMES),
        "search, none found": lambda: store.search_frames("s0", containing=[b"absent"]),
        "watch 10,000 frames": lambda: watched(store),
        "export 10,000 frames": lambda: export_session(store, "s0"),
        "copy the store": lambda: copied(store),
    }


@asynccontextmanager
async def opened(kind: str, place: str) -> AsyncIterator[Any]:
    """Open an empty store of a kind."""
    store: Any
    if kind == "memory":
        store = ActorSessionStore()
    elif kind == "sqlite":
        store = SQLiteSessionStore(f"{place}/store.db", durability="os")
    else:
        store = RedisSessionStore(place)
    async with store:
        yield store


async def measured(kind: str, place: str, only: str) -> dict[str, list[float]]:
    """Return for each answer the longest turn without the collector, with it, and the whole."""
    await see_a_stall()
    found: dict[str, list[float]] = {}
    async with opened(kind, place) as store:
        await fill(store)
        for what, answer in answers(store).items():
            if only not in what:
                continue
            rounds: list[list[float]] = []
            for _ in range(TURNS if what != "copy the store" else 1):
                await change_all(store)
                gc.collect()
                gc.disable()
                longest, whole = await timed(answer, time.thread_time)
                gc.enable()
                await change_all(store)
                gc.collect()
                collecting, _ = await timed(answer, time.thread_time)
                await change_all(store)
                gc.collect()
                wall, _ = await timed(answer, time.perf_counter)
                rounds.append([longest, collecting, wall, whole])
            found[what] = [median(each) for each in zip(*rounds, strict=True)]
    return found


def ask(checkout: Path, kind: str, place: str, only: str) -> dict[str, list[float]]:
    """Measure a checkout in a process of its own."""
    environment = {"PYTHONPATH": f"{checkout}/store:{checkout}/actors:{HERE}/perf"}
    command = [sys.executable, __file__, "--worker", kind, place, "--only", only]
    told = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    found: dict[str, list[float]] = json.loads(told.stdout)
    return found


def main() -> None:
    """Measure and print a table."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, nargs="?")
    parser.add_argument("--redis", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--kinds", default="memory,sqlite")
    parser.add_argument("--worker", nargs=2)
    asked = parser.parse_args()
    if asked.worker:
        print(json.dumps(uvloop.run(measured(asked.worker[0], asked.worker[1], asked.only))))
        return
    sides = [*([asked.other.resolve()] if asked.other else []), HERE]
    kinds = [*filter(None, asked.kinds.split(",")), *(["redis"] if asked.redis else [])]
    print("longest turn in ms: processor time, with the collector, wall time; whole processor time")
    for kind in kinds:
        rounds: list[list[dict[str, list[float]]]] = [[] for _ in sides]
        with ExitStack() as stack:
            server = stack.enter_context(own_server("redis")) if kind == "redis" else None
            for number in range(asked.rounds):
                for side, checkout in enumerate(sides):
                    with tempfile.TemporaryDirectory(prefix="perf-") as folder:
                        place = f"{server.url[:-1]}{2 * number + side}" if server else folder
                        rounds[side].append(ask(checkout, kind, place, asked.only))
        for what in rounds[-1][0]:
            parts = ["  ".join(numbers(side, what)) for side in rounds]
            print(f"{kind:7} {what:26} {'   ->   '.join(parts)}", flush=True)


def numbers(rounds: list[dict[str, list[float]]], what: str) -> list[str]:
    """The medians of the rounds, in milliseconds."""
    return [f"{1e3 * median(each):7.2f}" for each in zip(*(r[what] for r in rounds), strict=True)]


if __name__ == "__main__":
    main()
