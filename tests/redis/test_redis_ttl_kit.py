"""A store with a ttl, held to the contract by the kit, as a user with the fewest rights."""

from __future__ import annotations

from itertools import count

import pytest
from redis_rights import few
from redis_server import RedisServer
from sessionkeeper import (
    AtomicSessionStore,
    Clock,
    RedisSessionStore,
    SessionStore,
    StoreLimits,
)
from sessionlab.conformance import AtomicSessionStoreConformance

_STORES = count(1)
LONG = 3600.0


@pytest.mark.long
@pytest.mark.parametrize("engine", ["redis"], indirect=True)
class TestRedisStoreWithTtl(AtomicSessionStoreConformance):
    """Where a test brings a clock the store has no ttl: there time is the server's."""

    patience = 120.0  # on a machine that may be busy
    refuses = frozenset({"backups"})  # they are tried without a ttl

    @pytest.fixture(autouse=True)
    def _server(self, server: RedisServer) -> None:
        self.url = few(server, "ttl-kit-*")

    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        self.prefix = f"ttl-kit-{next(_STORES)}"
        ttl = LONG if clock is None else None
        return RedisSessionStore(
            self.url, prefix=self.prefix, limits=limits, clock=clock, ttl=ttl, patience=60.0
        )

    def reopen_store(self, store: SessionStore) -> SessionStore:
        return RedisSessionStore(self.url, prefix=self.prefix, patience=60.0)
