"""The stores on which integrations are tested, by their URLs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest
from redis_engines import find_engine
from redis_fleet import SharedServers
from redis_watchdog import Watchdog
from sessionkeeper import AtomicSessionStore, SQLiteBackend, StorageFactory
from sessionkeeper.stores.config import backend_from_url

_PREFIXES = count(1)


@pytest.fixture(scope="session")
def shared_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedServers]:
    """One server of each engine, started when first used."""
    watchdog = Watchdog()
    servers = SharedServers(tmp_path_factory.mktemp("shared"), watchdog)
    yield servers
    servers.close()
    watchdog.close()


@pytest.fixture
def valkey_url(shared_servers: SharedServers) -> str:
    """Valkey 8, shared with other tests, with a prefix of its own."""
    server = shared_servers.server(find_engine("valkey").name)
    return f"{server.url}?prefix=test-{next(_PREFIXES)}"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A file of the test's own."""
    return f"sqlite:///{tmp_path / 'sessions.db'}"


@pytest.fixture(params=["memory", "sqlite", "valkey", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str:
    """Each backend."""
    if request.param == "memory":
        return "memory://"
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture(params=["sqlite", "valkey", "postgres"])
def shared_url(request: pytest.FixtureRequest) -> str:
    """Each backend that several processes share."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[AtomicSessionStore]:
    """Each backend, open. A file without a disk's sync, which is slow: the rules are the same."""
    backend = backend_from_url(store_url)
    if isinstance(backend, SQLiteBackend):
        backend = SQLiteBackend(path=backend.path, durability="os")
    async with await StorageFactory.create(backend) as store:
        yield store
