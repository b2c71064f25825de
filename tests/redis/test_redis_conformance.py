"""The store on Redis and on Valkey, held to the contract by the kit that third parties get."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count

import pytest
from redis_backup import back_up_keys
from redis_cluster import SharedClusters
from redis_engines import usual_engine
from redis_fleet import Fleet
from redis_rights import few
from redis_server import RedisServer
from redis_watchdog import Watchdog
from sessionkeeper import (
    AtomicSessionStore,
    Clock,
    RedisSessionStore,
    SessionStore,
    StoreLimits,
)
from sessionlab.conformance import AtomicSessionStoreConformance, Restore

_STORES = count(1)


class RedisKit(AtomicSessionStoreConformance):
    """Every store has a prefix of its own."""

    # A test makes thousands of round trips one after the other, on a machine that may be busy.
    patience = 120.0

    url: str
    server: RedisServer

    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        self.prefix = f"kit-{next(_STORES)}"
        return RedisSessionStore(
            self.url, prefix=self.prefix, limits=limits, clock=clock, patience=60.0
        )

    def reopen_store(self, store: SessionStore) -> SessionStore:
        return RedisSessionStore(self.url, prefix=self.prefix, patience=60.0)

    async def back_up(self, store: AtomicSessionStore) -> Restore:
        restore_keys = await asyncio.to_thread(back_up_keys, self.server, self.prefix)

        async def restore() -> None:
            await asyncio.to_thread(restore_keys)

        return restore


@pytest.mark.parametrize("engine", ["valkey"], indirect=True)
class TestValkeyStore(RedisKit):
    """The default: without TLS, with a user who has all rights."""

    @pytest.fixture(autouse=True)
    def _server(self, server: RedisServer) -> None:
        self.url, self.server = server.url, server


@pytest.mark.long
class TestClusterWithOneBucket(RedisKit):
    """On a cluster, where a store that is one bucket keeps the whole contract."""

    refuses = frozenset({"backups"})  # they are tried on one server

    @pytest.fixture(autouse=True)
    def _cluster(self, shared_clusters: SharedClusters) -> None:
        self.url = shared_clusters.cluster("valkey").url.replace("redis:", "redis+cluster:")

    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        self.prefix = f"kit-{next(_STORES)}"
        return RedisSessionStore(
            self.url, prefix=self.prefix, buckets=1, limits=limits, clock=clock, patience=60.0
        )

    async def back_up(self, store: AtomicSessionStore) -> Restore:
        raise NotImplementedError("the nodes of a cluster are not put back together")


@pytest.fixture(scope="module")
def guarded(
    redis_watchdog: Watchdog, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisServer]:
    """A server that speaks only TLS, for a user with the fewest rights."""
    fleet = Fleet(usual_engine(), tmp_path_factory.mktemp("guarded"), redis_watchdog)
    yield fleet.start_with_tls()
    fleet.close()


@pytest.mark.long
class TestRedisStoreOverTlsWithFewRights(RedisKit):
    """In TLS, as the user of docs/redis.md."""

    @pytest.fixture(autouse=True)
    def _server(self, guarded: RedisServer) -> None:
        self.url, self.server = few(guarded, "kit-*"), guarded
