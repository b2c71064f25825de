"""Appending one message of 1 KB in a file, beside what one would use instead: 64 callers, in turn.

Real packages with their own settings, each caller on its own session, or all on one with
`--one-session`: `pip install -e '.[perf,perf-peers]'`, then `python perf/sqlite_peers.py`. With
`--folder /dev/shm` a sync is nearly free, as on any tmpfs.
"""

from __future__ import annotations

import gc
import os
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import aiosqlite
import uvloop
from harness import Operation, options, throughput
from ratios import MESSAGE, envelope
from sessionkeeper import Session, SQLiteSessionStore

CALLERS = 64
ROUNDS = 7
TEXT = MESSAGE.decode()

Peer: TypeAlias = Callable[[Path], Any]
"""Opens one side in a folder; an async context manager of its operation."""


@asynccontextmanager
async def ours(folder: Path) -> AsyncIterator[Operation]:
    """`add_frame`, at the level `disk`."""
    async with SQLiteSessionStore(folder / "store.db") as store:
        for n in range(CALLERS):
            await store.create_session(Session.new(transport_type="stdio", id=f"s{n}"))
        envelopes = [envelope(f"s{n}") for n in range(CALLERS)]
        yield lambda n: store.add_frame(envelopes[n])
        counts = [await store.count_frames(f"s{n}") for n in range(CALLERS)]
        assert sum(counts) > 0


@asynccontextmanager
async def mcp_persist(folder: Path) -> AsyncIterator[Operation]:
    """`store_event` of a message that is parsed already; a commit an event, as by default."""
    from mcp.types import JSONRPCMessage
    from pydantic import TypeAdapter

    peer: Any = import_module("mcp_persist.sqlite")
    message: Any = TypeAdapter(JSONRPCMessage).validate_json(MESSAGE)
    async with peer.SQLiteEventStore.create(str(folder / "events.db"), ttl=3_600) as store:
        yield lambda n: store.store_event(f"s{n}", message)


@asynccontextmanager
async def openai_agents(folder: Path) -> AsyncIterator[Operation]:
    """`add_items` of one item, each session an object of its own on the same file."""
    peer: Any = import_module("agents")
    sessions = [peer.SQLiteSession(f"s{n}", folder / "agents.db") for n in range(CALLERS)]
    item = {"role": "user", "content": TEXT}
    yield lambda n: sessions[n].add_items([item])
    for each in sessions:
        each.close()


@asynccontextmanager
async def langgraph(folder: Path) -> AsyncIterator[Operation]:
    """`aput` of a checkpoint that holds the message, each caller a thread of its own."""
    checkpoints: Any = import_module("langgraph.checkpoint.base")
    peer: Any = import_module("langgraph.checkpoint.sqlite.aio")
    async with aiosqlite.connect(folder / "graph.db") as connection:
        saver = peer.AsyncSqliteSaver(connection)
        await saver.setup()

        async def put(n: int) -> None:
            checkpoint = checkpoints.empty_checkpoint()
            checkpoint["channel_values"] = {"messages": TEXT}
            config = {"configurable": {"thread_id": f"s{n}", "checkpoint_ns": ""}}
            await saver.aput(config, checkpoint, {}, {})

        yield put


SIDES: dict[str, tuple[Peer, int]] = {
    "sessionkeeper": (ours, 6_400),
    "mcp-persist": (mcp_persist, 3_200),
    "openai-agents": (openai_agents, 640),
    "langgraph-checkpoint-sqlite": (langgraph, 640),
}
"""Each with how many it appends in a round: about as long as the others."""


async def measured(*, one_session: bool) -> dict[str, list[float]]:
    """Operations a second of each side, round by round; the first round is not counted."""
    rates: dict[str, list[float]] = {name: [] for name in SIDES}
    with tempfile.TemporaryDirectory(prefix="perf-") as place:
        async with AsyncExitStack() as stack:
            sides = {
                name: (await stack.enter_async_context(peer(Path(place))), total)
                for name, (peer, total) in SIDES.items()
            }
            for _ in range(ROUNDS + 1):
                for name, (operation, total) in sides.items():
                    gc.collect()
                    each = partial(_as_first, operation) if one_session else operation
                    rates[name].append(await throughput(each, CALLERS, total))
    return {name: each[1:] for name, each in rates.items()}


def _as_first(operation: Operation, _: int) -> Awaitable[object]:
    return operation(0)


def main() -> int:
    """Measure; 0 when ours is far enough ahead of the fastest, 2 when a peer is missing."""
    parser = options(__doc__, **{"one-session": "all callers on one session"})
    parser.add_argument("--folder", help="where the files are made")
    asked = parser.parse_args()
    tempfile.tempdir = asked.folder
    goal = 1.5 if asked.one_session else 2
    where = "on one session" if asked.one_session else "on sessions of their own"
    print(f"SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores, {CALLERS} callers {where}")
    try:
        rates = uvloop.run(measured(one_session=asked.one_session))
    except ModuleNotFoundError as missing:
        print(f"{missing.name} is not installed: pip install '.[perf-peers]'", file=sys.stderr)
        return 2
    mine = rates["sessionkeeper"]
    worst = float("inf")
    for name, theirs in rates.items():
        line = f"{name:28} {version(name):8} {median(theirs):8,.0f}/s"
        if theirs is not mine:
            ratios = [a / b for a, b in zip(mine, theirs, strict=True)]
            worst = min(worst, median(ratios))
            line += f"   ours {median(ratios):5.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(line)
    print(f"of the fastest: {worst:.2f}, >= {goal} {'reached' if worst >= goal else 'MISSED'}")
    return 0 if worst >= goal else 1


if __name__ == "__main__":
    sys.exit(main())
