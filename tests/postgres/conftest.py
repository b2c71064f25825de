"""Real servers: one that all tests of a worker share, and others to be stopped and killed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from postgres_folders import ServerFolders
from postgres_proxy import PostgresProxy, proxied
from postgres_schemas import own_schema
from postgres_server import PostgresServer
from redis_watchdog import Watchdog


@pytest.fixture(scope="session")
def postgres_folders() -> Iterator[ServerFolders]:
    """The folders of the servers, and the process that ends them if this one cannot."""
    watchdog = Watchdog()
    folders = ServerFolders(watchdog)
    yield folders
    watchdog.close()
    folders.close()


@pytest.fixture(scope="session")
def postgres_server(postgres_folders: ServerFolders) -> Iterator[PostgresServer]:
    """A server shared with other tests: bring a schema, leave its settings and roles alone."""
    server = PostgresServer(postgres_folders)
    server.start()
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A schema of the test's own in the shared server; it is dropped afterwards."""
    with own_schema(postgres_server) as schema:
        yield postgres_server.url_of("postgres", schema=schema)


@pytest.fixture
def own_postgres_server(postgres_folders: ServerFolders) -> Iterator[PostgresServer]:
    """A server of the test's own, running: to be stopped, killed, frozen and set up otherwise."""
    server = PostgresServer(postgres_folders)
    server.start()
    yield server
    server.close()


@pytest.fixture
async def postgres_proxy(postgres_server: PostgresServer) -> AsyncIterator[PostgresProxy]:
    """Between a client and the shared server."""
    async with proxied(postgres_server.port) as proxy:
        yield proxy
