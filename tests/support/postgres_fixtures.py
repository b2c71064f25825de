"""One PostgreSQL server a worker, for all tests that ask for it, and a schema for each of them.

What starts it is imported when the first test asks: a wheel is tested without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from postgres_folders import ServerFolders
    from postgres_server import PostgresServer

__all__ = ["postgres_folders", "postgres_server", "postgres_url"]


@pytest.fixture(scope="session")
def postgres_folders() -> Iterator[ServerFolders]:
    """The folders of the servers, and the process that ends them if this one cannot."""
    from postgres_folders import ServerFolders
    from redis_watchdog import Watchdog

    watchdog = Watchdog()
    folders = ServerFolders(watchdog)
    yield folders
    watchdog.close()
    folders.close()


@pytest.fixture(scope="session")
def postgres_server(postgres_folders: ServerFolders) -> Iterator[PostgresServer]:
    """A server shared with other tests: bring a schema, leave its settings and roles alone."""
    from postgres_server import PostgresServer, running

    with running(PostgresServer(postgres_folders)) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A schema of the test's own in the shared server; it is dropped afterwards."""
    from postgres_schemas import own_schema

    with own_schema(postgres_server) as schema:
        yield postgres_server.url_of("postgres", schema=schema)
