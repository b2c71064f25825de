"""Servers that faults happen to: alone behind a proxy, two behind a name, and a cluster.

All are set so that what they acknowledge is kept by what happens to them: one that is killed syncs
its file before it answers, and one whose replica takes over is asked to wait for the replica.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from binascii import crc32
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from faulted_load import FaultLog
from redis.crc import key_slot
from redis_cluster import Cluster
from redis_engines import find_engine
from redis_fleet import Fleet
from redis_proxy import FaultProxy
from redis_server import RedisServer, until
from redis_watchdog import Watchdog

__all__ = ["KINDS", "Target"]

PREFIX = "faulted"
SILENCE = 0.3
"""Seconds of silence after which a store gives a connection up."""


class Target(ABC):
    """Servers, the ways to them, and one kind of fault."""

    options: ClassVar[dict[str, Any]] = {}
    """For the stores."""

    def __init__(self, engine: str, folder: Path, watchdog: Watchdog) -> None:
        self.fleet = Fleet(find_engine(engine), folder, watchdog)
        self.logs: list[FaultLog] = []
        """Of each store's way."""

    @abstractmethod
    async def start(self, stores: int) -> list[str]:
        """Start it; the URL for each store, the last one past all faults."""

    @abstractmethod
    async def fault(self, random: Random) -> str:
        """Have one fault happen, from its beginning to its end; its name."""

    async def settle(self) -> None:
        """Wait until all is as before the faults, but for what was written."""
        await asyncio.sleep(0)

    async def close(self) -> None:
        """End the servers."""
        await asyncio.to_thread(self.fleet.close)

    def begin(self, sessions: Collection[str] | None = None) -> Callable[[], None]:
        """Note a fault on every way; return what notes its end."""
        ends = [log.begin(sessions) for log in self.logs]

        def end() -> None:
            for each in ends:
                each()

        return end


class _Proxied(Target):
    """A proxy for each store; what is behind them may change."""

    def __init__(self, engine: str, folder: Path, watchdog: Watchdog) -> None:
        super().__init__(engine, folder, watchdog)
        self.proxies: list[FaultProxy] = []

    async def _lead(self, stores: int, port: int) -> list[str]:
        self.proxies = [FaultProxy(port) for _ in range(stores)]
        self.logs = [FaultLog() for _ in self.proxies]
        for proxy in self.proxies:
            await proxy.listen()
        return [f"{proxy.url}?socket_timeout={SILENCE}" for proxy in self.proxies]

    async def close(self) -> None:
        for proxy in self.proxies:
            await proxy.aclose()
        await super().close()


class _Alone(Target):
    """One server, and nothing between it and the stores."""

    server: RedisServer

    async def start(self, stores: int) -> list[str]:
        await self._start_server()
        self.logs = [FaultLog() for _ in range(stores)]
        return [f"{self.server.url}?socket_timeout={SILENCE}"] * stores + [self.server.url]

    async def _start_server(self) -> None:
        start = self.fleet.start
        self.server = await asyncio.to_thread(start, appendonly="yes", appendfsync="always")


class Cuts(_Alone, _Proxied):
    """Connections end, or nothing comes any more, at any byte of a request or a reply."""

    async def start(self, stores: int) -> list[str]:
        await self._start_server()
        return [*await self._lead(stores, self.server.port), self.server.url]

    async def fault(self, random: Random) -> str:
        place = random.randrange(len(self.proxies))
        way = random.choice(("requests", "replies"))
        faults = getattr(self.proxies[place], way)
        skip = random.randrange(4)
        held = random.random() < 0.25
        # Past the end of what is cut, all of it passes and then the connection ends.
        at = random.choice((0, random.randrange(60), random.randrange(2000)))
        hit = (
            faults.hold(skip=skip)
            if held
            else faults.cut(at=at, reset=random.random() < 0.5, skip=skip)
        )
        try:
            # Nothing may come that way while all callers wait for another connection's silence.
            async with asyncio.timeout(2):
                await hit.reached()
        except TimeoutError:
            return "none"
        else:
            end = self.logs[place].begin()
            await asyncio.sleep(random.random() * 3 * SILENCE if held else 0)
            end()
            return f"{way} {'held' if held else 'cut'}"
        finally:
            faults.lift(hit)


class Kills(_Alone):
    """The server is killed and started again."""

    async def fault(self, random: Random) -> str:
        await asyncio.sleep(random.random() / 10)
        end = self.begin()
        await asyncio.to_thread(self.server.kill)
        await asyncio.sleep(random.choice((0, random.random())))
        await asyncio.to_thread(self.server.start)
        end()
        return "server killed"


class Pauses(_Alone):
    """The server stands still and goes on."""

    async def fault(self, random: Random) -> str:
        await asyncio.sleep(random.random() / 10)
        end = self.begin()
        self.server.freeze()
        await asyncio.sleep(random.random() * 4 * SILENCE)
        self.server.thaw()
        end()
        return "server paused"


class Names(_Proxied):
    """Another server takes over behind the name: by its administrator, or because one died."""

    options: ClassVar[dict[str, Any]] = {"wait_replicas": 1}
    primary: RedisServer
    replica: RedisServer

    async def start(self, stores: int) -> list[str]:
        self.primary = await asyncio.to_thread(self.fleet.start)
        self.replica = await asyncio.to_thread(self.fleet.start)
        await asyncio.to_thread(self._follow)
        urls = await self._lead(stores + 1, self.primary.port)
        self.logs.pop()  # nobody's operations are counted on the last one's way
        return urls

    async def fault(self, random: Random) -> str:
        await asyncio.sleep(random.random() / 10)
        end = self.begin()
        kills, cuts = random.random() < 0.4, random.random() < 0.5
        old = self.primary
        await asyncio.to_thread(self._take_over, kills=kills)
        for proxy in self.proxies:
            proxy.server_port = self.primary.port
            if cuts:
                await proxy.cut()
        await asyncio.to_thread(self._come_back, old, kills=kills)
        end()
        if kills:
            return "primary killed"
        return "roles changed, connections cut" if cuts else "roles changed, connections kept"

    async def settle(self) -> None:
        await asyncio.to_thread(self._caught_up)

    def _take_over(self, *, kills: bool) -> None:
        old, new = self.primary, self.replica
        if kills:
            old.kill()
        else:
            old.pause(60_000, "WRITE")
            self._caught_up()
        new.say("REPLICAOF", "NO", "ONE")
        if not kills:
            old.say("REPLICAOF", "127.0.0.1", new.port)
        self.primary, self.replica = new, old

    def _come_back(self, old: RedisServer, *, kills: bool) -> None:
        if kills:
            old.start(keep_data=False)
        else:
            old.say("CLIENT", "UNPAUSE")
        self._follow()

    def _follow(self) -> None:
        self.replica.say("REPLICAOF", "127.0.0.1", self.primary.port)
        until(lambda: self.replica.info("master_link_status") == "up", "it is linked", 60, 0.02)

    def _caught_up(self) -> None:
        wanted = self.primary.info("master_repl_offset")
        has = lambda: self.replica.info("slave_repl_offset") >= wanted  # noqa: E731
        until(has, "the replica has it all", 60, 0.01)


class Clusters(Target):
    """A primary of a cluster is killed, stands still, or gives its place to its replica."""

    BUCKETS: ClassVar[int] = 12
    options: ClassVar[dict[str, Any]] = {"wait_replicas": 1, "buckets": BUCKETS}

    def __init__(self, engine: str, folder: Path, watchdog: Watchdog) -> None:
        super().__init__(engine, folder, watchdog)
        self.sessions: Sequence[str] = ()
        """All that are used; those of one primary are met by its fault."""
        self._cluster = Cluster(self.fleet)

    async def start(self, stores: int) -> list[str]:
        await asyncio.to_thread(self._cluster.start)
        self.logs = [FaultLog() for _ in range(stores)]
        url = self._cluster.url.replace("redis:", "redis+cluster:")
        return [f"{url}?socket_timeout={SILENCE}"] * stores + [url]

    async def fault(self, random: Random) -> str:
        await asyncio.sleep(random.random() / 10)
        cluster = self._cluster
        primary = random.choice(await asyncio.to_thread(cluster.primaries))
        replica = await asyncio.to_thread(cluster.replica_of, primary)
        end = self.begin(await asyncio.to_thread(self._sessions_of, primary))
        kind = random.choice(("asked", "asked", "paused", "paused long", "killed"))
        if kind == "asked":
            await asyncio.to_thread(replica.say, "CLUSTER", "FAILOVER")
            await asyncio.to_thread(cluster.until_promoted, replica)
        elif kind == "paused":
            primary.freeze()
            await asyncio.sleep(random.random() / 2)
            primary.thaw()
        elif kind == "paused long":
            primary.freeze()
            await asyncio.to_thread(self._until_another, primary, replica)
            primary.thaw()
        else:
            await asyncio.to_thread(primary.kill)
            await asyncio.to_thread(cluster.until_promoted, replica)
            await asyncio.to_thread(primary.start, keep_data=False)
        await self.settle()
        end()
        return f"primary {kind}"

    async def settle(self) -> None:
        await asyncio.to_thread(self._cluster.until_agreed)
        await asyncio.to_thread(self._caught_up)

    async def close(self) -> None:
        await asyncio.to_thread(self._cluster.close)

    def _sessions_of(self, primary: RedisServer) -> set[str]:
        node = next(each for each in self._cluster.view(primary) if each.port == primary.port)
        tags = {key: crc32(key.encode()) % self.BUCKETS for key in self.sessions}
        return {
            key
            for key, number in tags.items()
            if node.has(key_slot(f"{{{PREFIX}:{number}}}".encode()))
        }

    def _until_another(self, primary: RedisServer, replica: RedisServer) -> None:
        def seen() -> bool:
            view = self._cluster.view(replica)
            mine = next(each for each in view if each.port == replica.port)
            return bool(mine.is_primary and mine.slots)

        until(seen, "the replica is a primary", 30, 0.02)

    def _caught_up(self) -> None:
        for primary in self._cluster.primaries():
            replica = self._cluster.replica_of(primary)
            wanted = primary.info("master_repl_offset")
            has = lambda: replica.info("slave_repl_offset") >= wanted  # noqa: B023, E731
            until(has, "the replica has it all", 60, 0.01)


KINDS: dict[str, type[Target]] = {
    "cuts": Cuts,
    "kills": Kills,
    "pauses": Pauses,
    "names": Names,
    "clusters": Clusters,
}
"""The kinds of faults on servers, by the name they are asked for."""
