"""What sessions and frames cost a server, in bytes and time: `python perf/redis_sizes.py`.

Bytes are differences of `used_memory`, taken when nothing is under way; microseconds are the
server's own, of `INFO commandstats`, the median of rounds in which all servers take turns, with the
lowest and the highest. Each line is one server of its own with these settings.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "redis" / "harness"))

from harness import options
from redis_engines import find_engine
from redis_fleet import Fleet
from redis_server import RedisServer
from redis_watchdog import Watchdog
from sessionkeeper import MessageEnvelope, RedisSessionStore, Session

__all__ = ["main"]

SESSIONS, LOGS, FRAMES, PAYLOAD, AT_ONCE = 20_000, 64, 300, 1_024, 512
ROUNDS, ALONE, BURST = 7, 300, 4_096
SETTINGS: dict[str, dict[str, object]] = {
    "Redis": {},
    "Redis, 8192": {"stream_node_max_bytes": 8192},
    "Redis, 16384": {"stream_node_max_bytes": 16384},
    "Redis, 32768": {"stream_node_max_bytes": 32768},
    "Valkey": {},
    "Valkey, 16384": {"stream_node_max_bytes": 16384},
    "Valkey, 32768": {"stream_node_max_bytes": 32768},
}
SCRIPTS = ("evalsha", "eval", "script|load")


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


async def waves(count: int, work: Callable[[int], Awaitable[object]]) -> None:
    """Call `work(0)` to `work(count - 1)`, so many at once."""
    for start in range(0, count, AT_ONCE):
        await asyncio.gather(*map(work, range(start, min(start + AT_ONCE, count))))


class Patient:
    """One server and what was measured on it."""

    def __init__(self, name: str, server: RedisServer) -> None:
        self.name, self.server = name, server
        self.store = RedisSessionStore(server.url)
        self.bytes: list[float] = []
        self.times: dict[str, list[float]] = {"burst": [], "alone": [], "get": [], "create": []}
        self._made = 0

    async def create(self, number: int) -> None:
        """A session without frames and metadata."""
        await self.store.create_session(Session.new(transport_type="stdio", id=f"id-{number}"))

    async def add(self, number: int) -> None:
        """A frame to one of the logs."""
        await self.store.add_frame(frame(f"id-{number % LOGS}"))

    async def get(self, number: int) -> None:
        """A session."""
        await self.store.get_session(f"id-{number}")

    async def weigh(self) -> None:
        """Bytes of a session, and of a frame over its payload."""
        # The writer log is full before its memory is measured.
        await self.create(-1)
        await waves(3 * AT_ONCE, lambda number: self.create(-2 - number))
        start = used(self.server)
        await waves(SESSIONS, self.create)
        self._made = SESSIONS
        full = used(self.server)
        await waves(LOGS * FRAMES, self.add)
        logged = used(self.server)
        self.bytes = [(full - start) / SESSIONS, (logged - full) / (LOGS * FRAMES) - PAYLOAD]

    async def time(self) -> None:
        """One round of each operation."""
        made = self._made
        self._made += BURST
        await self._timed("burst", BURST, waves(BURST, self.add))
        await self._timed("alone", ALONE, self._one_by_one())
        await self._timed("get", BURST, waves(BURST, self.get), "hmget")
        create = waves(BURST, lambda number: self.create(made + number))
        await self._timed("create", BURST, create)

    async def _one_by_one(self) -> None:
        for number in range(ALONE):
            await self.add(number)

    async def _timed(self, what: str, times: int, work: Awaitable[None], *commands: str) -> None:
        before = spent(self.server, *(commands or SCRIPTS))
        await work
        after = spent(self.server, *(commands or SCRIPTS))
        self.times[what].append((after - before) / times)

    def line(self) -> str:
        """A line of the table."""
        weights = [f"{each:.0f}" for each in self.bytes]
        times = [
            f"{median(each):.1f} ({min(each):.1f}–{max(each):.1f})" for each in self.times.values()
        ]
        return f"| {' | '.join([self.name, *weights, *times])} |"


async def measure(patients: list[Patient]) -> None:
    """Weigh them one by one, then time them in turns."""
    for each in patients:
        await each.store.open()
        await each.weigh()
    for _ in range(ROUNDS):
        for each in patients:
            await each.time()
    for each in patients:
        await each.store.aclose()


def main() -> None:
    """Print a table."""
    options(__doc__).parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        watchdog = stack.enter_context(closing(Watchdog()))
        patients: list[Patient] = []
        for number, (name, settings) in enumerate(SETTINGS.items()):
            engine = find_engine(name.partition(",")[0].lower())
            fleet = stack.enter_context(closing(Fleet(engine, folder / str(number), watchdog)))
            patients.append(Patient(name, fleet.start(**settings)))
        asyncio.run(measure(patients))
        print("| server, stream-node-max-bytes | bytes a session | a frame over its 1,024", end="")
        print(" | µs an append of 512 at once | alone | a get | a create |")
        print("|---|---|---|---|---|---|---|")
        for each in patients:
            print(each.line())


if __name__ == "__main__":
    main()
