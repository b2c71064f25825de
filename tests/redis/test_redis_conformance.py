"""The store on Redis and on Valkey, held to the contract by the kit that third parties get."""

from __future__ import annotations

from itertools import count

import pytest
from redis_server import RedisServer
from sessionkeeper import AtomicSessionStore, Clock, RedisSessionStore, StoreLimits
from sessionkeeper.conformance import AtomicSessionStoreConformance

_STORES = count(1)


class TestRedisStore(AtomicSessionStoreConformance):
    """On each engine; every store has a prefix of its own."""

    @pytest.fixture(autouse=True)
    def _server(self, server: RedisServer) -> None:
        self.url = server.url

    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        self.prefix = f"kit-{next(_STORES)}"
        return RedisSessionStore(self.url, prefix=self.prefix, limits=limits, clock=clock)

    def reopen_store(self, store: AtomicSessionStore) -> AtomicSessionStore:
        return RedisSessionStore(self.url, prefix=self.prefix)
