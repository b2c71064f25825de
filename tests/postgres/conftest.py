"""Servers to be stopped and killed, and proxies; `tests/support` has the one that is shared."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from postgres_folders import ServerFolders
from postgres_proxy import PostgresProxy, proxied
from postgres_server import PostgresServer, running
from sessionkeeper.backends.postgres import connection
from sessionkeeper.backends.postgres.notice_connection import NoticeConnection
from soleowner import thread_runner


@pytest.fixture(autouse=True)
def _machine_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the patience of a store, an answer takes as long as the machine needs for it.

    So does the thread of a store that is closed, until it has a turn and stops.
    """
    monkeypatch.setattr(thread_runner, "_HURRY", 60.0)
    monkeypatch.setattr(connection, "_LEAST", 60.0)
    monkeypatch.setattr(NoticeConnection, "PATIENCE", 60.0)


@pytest.fixture
def soon_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that says nothing counts as silent soon, as the patience of a store says."""
    monkeypatch.setattr(connection, "_LEAST", 2.0)


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
