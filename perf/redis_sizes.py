"""What sessions and frames cost a server, in bytes and time: `python perf/redis_sizes.py`.

Bytes are differences of `used_memory`, taken when nothing is under way; microseconds are the
server's own, of `INFO commandstats`. Each line is one server of its own with these settings.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "redis" / "harness"))

from redis_engines import find_engine
from redis_fleet import Fleet
from redis_server import RedisServer
from redis_watchdog import Watchdog
from sessionkeeper import MessageEnvelope, RedisSessionStore, Session

__all__ = ["main"]

SESSIONS, LOGS, FRAMES, PAYLOAD, AT_ONCE = 20_000, 64, 500, 1_024, 512
SETTINGS: dict[str, dict[str, str]] = {
    "redis": {},
    "redis, stream-node-max-bytes 8192": {"stream-node-max-bytes": "8192"},
    "redis, stream-node-max-bytes 16384": {"stream-node-max-bytes": "16384"},
    "redis, stream-node-max-bytes 32768": {"stream-node-max-bytes": "32768"},
    "valkey": {},
    "valkey, stream-node-max-bytes 32768": {"stream-node-max-bytes": "32768"},
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """What was measured on one server."""

    allocator: str
    a_session: float
    """Bytes of a live session without frames and metadata, its places in the orders included."""
    a_frame: float
    """Bytes over the payload."""
    an_append: float
    """Microseconds of the server for each frame, in batches of neighbours."""
    one_append: float
    """The same for frames that come alone."""
    a_get: float
    a_create: float


def frame(session_id: str, payload: int = PAYLOAD) -> MessageEnvelope:
    """A message of so many bytes."""
    head = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"'
    message = head + b"x" * (payload - len(head) - 3) + b'"}}'
    return MessageEnvelope.of(session_id, message, direction="client-to-server")


def used(server: RedisServer) -> int:
    """Bytes in use, clients' buffers left out."""
    memory: dict[str, Any] = server.say("MEMORY", "STATS")
    return int(memory["total.allocated"]) - int(memory["clients.normal"])


def spent(server: RedisServer, *commands: str) -> float:
    """Microseconds these commands took altogether."""
    found: dict[str, Any] = server.say("INFO", "commandstats")
    return float(sum(found.get(f"cmdstat_{each}", {"usec": 0})["usec"] for each in commands))


async def waves(count: int, work: Any) -> None:
    """Call `work(0)` to `work(count - 1)`, so many at once."""
    for start in range(0, count, AT_ONCE):
        await asyncio.gather(*map(work, range(start, min(start + AT_ONCE, count))))


async def measure(server: RedisServer) -> Sizes:
    """Fill a server and ask it."""
    scripts = ("evalsha", "eval", "script|load")
    async with RedisSessionStore(server.url) as store:

        async def create(number: int) -> None:
            await store.create_session(Session.new(transport_type="stdio", id=f"session-{number}"))

        async def add(number: int) -> None:
            name = f"session-{number % LOGS}"
            await store.add_frame(frame(name))

        async def get(number: int) -> None:
            await store.get_session(f"session-{number}")

        await create(SESSIONS)  # scripts are loaded, the ledger is there
        await waves(3 * AT_ONCE, lambda number: create(SESSIONS + 1 + number))
        await waves(3 * AT_ONCE, lambda number: store.add_frame(frame(f"session-{SESSIONS}", 100)))
        start, busy = used(server), spent(server, *scripts)
        await waves(SESSIONS, create)
        full, made = used(server), spent(server, *scripts)
        await waves(LOGS * FRAMES, add)
        logged, added = used(server), spent(server, *scripts)
        for number in range(2_000):
            await add(number)
        alone = spent(server, *scripts)
        reads = spent(server, "hmget")
        await waves(SESSIONS, get)
        read = spent(server, "hmget") - reads
    return Sizes(
        allocator=str(server.info("mem_allocator")),
        a_session=(full - start) / SESSIONS,
        a_frame=(logged - full) / (LOGS * FRAMES) - PAYLOAD,
        an_append=(added - made) / (LOGS * FRAMES),
        one_append=(alone - added) / 2_000,
        a_get=read / SESSIONS,
        a_create=(made - busy) / SESSIONS,
    )


def main() -> None:
    """Print a table."""
    watchdog = Watchdog()
    with tempfile.TemporaryDirectory() as folder:
        print("| server | allocator | bytes a session | bytes a frame over its 1,024 |", end="")
        print(" µs an append, 512 at once | alone | µs a get | a create |")
        print("|---|---|---|---|---|---|---|---|")
        for name, settings in SETTINGS.items():
            engine = find_engine(name.partition(",")[0])
            fleet = Fleet(
                engine, Path(folder) / name.replace(", ", "-").replace(" ", "-"), watchdog
            )
            options: dict[str, object] = {
                key.replace("-", "_"): value for key, value in settings.items()
            }
            try:
                server = fleet.start(**options)
                found = asyncio.run(measure(server))
            finally:
                fleet.close()
            cells = (
                *(name, found.allocator),
                *(f"{found.a_session:.0f}", f"{found.a_frame:.0f}"),
                *(f"{found.an_append:.1f}", f"{found.one_append:.1f}"),
                *(f"{found.a_get:.1f}", f"{found.a_create:.1f}"),
            )
            print(f"| {' | '.join(cells)} |", flush=True)
    watchdog.close()


if __name__ == "__main__":
    main()
