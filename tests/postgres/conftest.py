"""Servers to be stopped and killed, and proxies; `tests/support` has the one that is shared."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from postgres_folders import ServerFolders
from postgres_proxy import PostgresProxy, proxied
from postgres_server import PostgresServer, running


@pytest.fixture
def own_postgres_server(postgres_folders: ServerFolders) -> Iterator[PostgresServer]:
    """A server of the test's own, running: to be stopped, killed, frozen and set up otherwise."""
    with running(PostgresServer(postgres_folders)) as server:
        yield server


@pytest.fixture
async def postgres_proxy(postgres_server: PostgresServer) -> AsyncIterator[PostgresProxy]:
    """Between a client and the shared server."""
    async with proxied(postgres_server.port) as proxy:
        yield proxy
