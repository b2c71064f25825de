"""Real servers, a real cluster, and a proxy that breaks what is between them and their clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from redis_cluster import Cluster, SharedClusters
from redis_engines import ENGINES, Engine, usual_engine
from redis_fleet import Fleet, SharedServers
from redis_proxy import FaultProxy
from redis_server import RedisServer
from redis_watchdog import Watchdog

_PREFIXES = count(1)


@pytest.fixture(scope="session")
def redis_watchdog() -> Iterator[Watchdog]:
    """The process that ends the servers if this one cannot."""
    watchdog = Watchdog()
    yield watchdog
    watchdog.close()


@pytest.fixture(scope="session")
def shared_servers(
    redis_watchdog: Watchdog, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedServers]:
    """One server of each engine, started when first used."""
    servers = SharedServers(tmp_path_factory.mktemp("shared"), redis_watchdog)
    yield servers
    servers.close()


@pytest.fixture(
    params=[*ENGINES[-1:], *(pytest.param(each, marks=pytest.mark.long) for each in ENGINES[:-1])]
)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Valkey 8; in a long run Redis 7 as well, where it is. Some tests name theirs."""
    name: Any = request.param
    return usual_engine(name)


@pytest.fixture
def server(engine: Engine, shared_servers: SharedServers) -> RedisServer:
    """A server shared with other tests: bring a prefix, leave its settings alone."""
    return shared_servers.server(engine.name)


@pytest.fixture
def key_prefix() -> str:
    """The prefix of the keys of one test."""
    return f"test-{next(_PREFIXES)}:"


@pytest.fixture
def fleet(engine: Engine, redis_watchdog: Watchdog, tmp_path: Path) -> Iterator[Fleet]:
    """Servers of the test's own, to be stopped, killed, frozen and filled."""
    fleet = Fleet(engine, tmp_path, redis_watchdog)
    yield fleet
    fleet.close()


@pytest.fixture
async def proxy(server: RedisServer) -> AsyncIterator[FaultProxy]:
    """Between a client and the shared server."""
    proxy = FaultProxy(server.port)
    await proxy.listen()
    yield proxy
    await proxy.aclose()


@pytest.fixture(scope="session")
def shared_clusters(
    redis_watchdog: Watchdog, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedClusters]:
    """A cluster of each engine, started when first used: two seconds."""
    clusters = SharedClusters(tmp_path_factory.mktemp("clusters"), redis_watchdog)
    yield clusters
    clusters.close()


@pytest.fixture
def cluster(engine: Engine, shared_clusters: SharedClusters) -> Iterator[Cluster]:
    """Six nodes to be killed and resharded; they are repaired after the test."""
    cluster = shared_clusters.cluster(engine.name)
    yield cluster
    cluster.heal()


@pytest.fixture
def clusters(shared_clusters: SharedClusters) -> Iterator[list[Cluster]]:
    """Those of all engines, for what takes long and can be waited for at once."""
    clusters = [shared_clusters.cluster(name) for name in ENGINES]
    yield clusters
    for cluster in clusters:
        cluster.heal()
