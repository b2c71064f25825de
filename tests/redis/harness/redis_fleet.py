"""The servers of one test, or of the whole run: whatever was started here ends here."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from redis_certificates import Certificates
from redis_engines import Engine, find_engine
from redis_sentinel import Sentinel
from redis_server import RedisServer, until
from redis_watchdog import Watchdog

__all__ = ["Fleet", "SharedServers"]


class Fleet:
    """Starts servers of one engine, each in a folder of its own below one folder."""

    def __init__(self, engine: Engine, folder: Path, watchdog: Watchdog) -> None:
        self.engine = engine
        self._folder = folder
        self._watchdog = watchdog
        self._numbers = count(1)
        self._servers: list[RedisServer] = []
        self._certificates: Certificates | None = None

    def start(self, **options: object) -> RedisServer:
        """Start one with these options, as in redis.conf with `_` for `-`: `appendonly="yes"`."""
        server = self.prepare(**options)
        server.start()
        return server

    def start_with_tls(self, **options: object) -> RedisServer:
        """Start one that speaks only TLS; `tls_auth_clients="yes"` has it ask for a certificate."""
        if not self.engine.has_tls:
            pytest.skip("no server here speaks TLS: apt-get install redis-server")
        if self._certificates is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._certificates = Certificates(self._folder)
        server = self._prepared(self._certificates, options)
        server.start()
        return server

    def start_replica(self, primary: RedisServer, **options: object) -> RedisServer:
        """Start a replica of another, and wait until it has all that the other has."""
        replica = self.start(replicaof=f"127.0.0.1 {primary.port}", **options)
        until(lambda: replica.info("master_link_status") == "up", "the replica is linked")
        return replica

    def prepare(self, **options: object) -> RedisServer:
        """A server that is not started yet: its port refuses connections."""
        return self._prepared(None, options)

    def start_sentinels(
        self, primary: RedisServer, count: int, *, replicas: int = 0, **options: object
    ) -> list[Sentinel]:
        """Start sentinels of a primary, and wait until each knows the others and its replicas."""
        sentinels = [
            Sentinel(self.engine, self._new_folder(), self._watchdog, primary.port, options)
            for _ in range(count)
        ]
        self._servers += sentinels
        for each in sentinels:
            each.start()
        for each in sentinels:
            until(
                lambda each=each: each.knows(sentinels=count, replicas=replicas),  # type: ignore[misc]  # a default has no type to infer
                "the sentinels know each other",
                pause=0.05,
            )
        return sentinels

    def close(self) -> None:
        """End them all."""
        for server in self._servers:
            server.close()

    def _prepared(
        self, certificates: Certificates | None, options: dict[str, object]
    ) -> RedisServer:
        server = RedisServer(
            self.engine,
            self._new_folder(),
            self._watchdog,
            {name.replace("_", "-"): str(value) for name, value in options.items()},
            certificates,
        )
        self._servers.append(server)
        return server

    def _new_folder(self) -> Path:
        return self._folder / f"{self.engine.name}-{next(self._numbers)}"


class SharedServers:
    """One server of each engine for all tests that bring a key prefix of their own."""

    def __init__(self, folder: Path, watchdog: Watchdog) -> None:
        self._folder = folder
        self._watchdog = watchdog
        self._fleets: dict[str, Fleet] = {}
        self._servers: dict[str, RedisServer] = {}

    def server(self, name: str) -> RedisServer:
        """The server of this engine, started at its first use."""
        if name not in self._servers:
            fleet = Fleet(find_engine(name), self._folder, self._watchdog)
            self._fleets[name] = fleet
            self._servers[name] = fleet.start()
        return self._servers[name]

    def close(self) -> None:
        """End them."""
        for fleet in self._fleets.values():
            fleet.close()
