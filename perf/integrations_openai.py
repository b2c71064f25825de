"""Items of the OpenAI Agents SDK, ours beside the fastest of its own sessions: 64 callers, in turn.

In a file, synced to the disk on both sides, and on a Valkey server of this run. Each caller has a
conversation of its own, and one connection pool, engine or store serves all. `pip install -e
'.[perf,integrations]'`, then `python perf/integrations_openai.py`. The target is for `add_items`
of a question and its answer; the rest is told.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import redis.asyncio as redis
import uvloop
from agents import Session, SQLiteSession
from agents.extensions.memory import AsyncSQLiteSession, RedisSession, SQLAlchemySession
from harness import Ratio, compare, options, throughput
from own_server import own_server
from sessionkeeper import StorageFactory
from sessionkeeper.integrations.openai_agents import StoreSession
from sqlalchemy.ext.asyncio import create_async_engine

CALLERS = 64
TARGET = 3.0
TURN: Any = [
    {"role": "user", "content": "q" * 100},
    {"role": "assistant", "content": "a" * 400},
]
NAMES = [f"caller-{number}" for number in range(CALLERS)]


class Callers:
    """What the callers do, each with its own conversation."""

    def __init__(self, name: str, sessions: Sequence[Session]) -> None:
        self.name = name
        self.sessions = sessions

    async def add(self, number: int) -> None:
        """Add a question and its answer."""
        await self.sessions[number].add_items(TURN)

    async def read(self, number: int) -> None:
        """Read the last ten items."""
        assert len(await self.sessions[number].get_items(10)) == 10


@asynccontextmanager
async def ours(url: str) -> AsyncIterator[Callers]:
    """Our sessions on one store."""
    async with await StorageFactory.create(url) as store:
        yield Callers("StoreSession", [StoreSession(name, store) for name in NAMES])


async def in_a_file(folder: Path, stack: AsyncExitStack) -> list[Callers]:
    """Each of theirs that keeps a file, and the tables made."""
    blocking = [SQLiteSession(name, folder / "blocking.db") for name in NAMES]
    awaited = [AsyncSQLiteSession(name, folder / "awaited.db") for name in NAMES]
    engine = create_async_engine(f"sqlite+aiosqlite:///{folder / 'alchemy.db'}")
    alchemy = [SQLAlchemySession(name, engine=engine, create_tables=True) for name in NAMES]
    for session in blocking:
        stack.callback(session.close)
    for each in awaited:
        stack.push_async_callback(each.close)
    stack.push_async_callback(engine.dispose)
    sides = [Callers("SQLiteSession", blocking), Callers("AsyncSQLiteSession", awaited)]
    return [*sides, Callers("SQLAlchemySession", alchemy)]


async def on_a_server(url: str, stack: AsyncExitStack) -> list[Callers]:
    """The one of theirs for a server."""
    client = redis.Redis.from_url(url)
    stack.push_async_callback(client.aclose)
    return [
        Callers("RedisSession", [RedisSession(name, redis_client=client) for name in NAMES]),
    ]


async def measure(where: str, url: str, theirs: list[Callers]) -> float:
    """Compare with the fastest of theirs; return the ratio of `add_items`."""
    speeds: dict[float, Callers] = {}
    for each in theirs:
        try:
            for number in range(CALLERS):  # one after the other: the first makes tables
                await each.add(number)
            speed = await throughput(each.add, CALLERS, 5 * CALLERS)
        except Exception as error:
            print(f"{where}: {each.name} fails with {type(error).__name__}: {error}")
        else:
            print(f"{where}: {each.name} adds {speed:,.0f}/s")
            speeds[speed] = each
    fastest = speeds[max(speeds)]
    async with ours(url) as mine:
        for number in range(CALLERS):
            await mine.add(number)
        adds = await compare(
            mine.add, fastest.add, callers=CALLERS, total=10 * CALLERS, ours_total=40 * CALLERS
        )
        reads = await compare(
            mine.read, fastest.read, callers=CALLERS, total=10 * CALLERS, ours_total=40 * CALLERS
        )
    show(where, "add_items", fastest.name, adds)
    show(where, "get_items(10)", fastest.name, reads)
    return adds.ratio


def show(where: str, call: str, peer: str, ratio: Ratio) -> None:
    """Print one comparison."""
    print(f"{where}, {call} against {peer}: {ratio}")


async def run(url: str) -> list[float]:
    """Measure both places."""
    with tempfile.TemporaryDirectory(prefix="perf-") as place:
        async with AsyncExitStack() as stack:
            folder = Path(place)
            files = await in_a_file(folder, stack)
            servers = await on_a_server(url, stack)
            return [
                await measure("file", f"sqlite:///{folder / 'ours.db'}", files),
                await measure("server", url, servers),
            ]


def main() -> int:
    """Measure; 0 when `add_items` reaches the target in both places."""
    options(__doc__).parse_args()
    print(f"openai-agents {version('openai-agents')}, {CALLERS} callers")
    with own_server("valkey") as server:
        ratios = uvloop.run(run(server.url))
    reached = min(ratios) >= TARGET
    print(f"add_items >= {TARGET}: {'reached' if reached else 'MISSED'}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
