"""The pooler of the tests lends connections as it was told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import asyncpg
import pytest
from postgres_pooler import PgBouncer, find_pgbouncer
from postgres_server import PostgresServer

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


@contextmanager
def _pooler(
    server: PostgresServer, mode: Literal["transaction", "session"], **settings: object
) -> Iterator[PgBouncer]:
    pooler = PgBouncer(server, mode, settings)
    try:
        pooler.start()
        yield pooler
    finally:
        pooler.close()


async def _pids(pooler: PgBouncer) -> tuple[set[Any], set[Any]]:
    """What two clients are told is the id of their process, of ten transactions at a time."""
    clients = [await asyncpg.connect(pooler.url, statement_cache_size=0) for _ in range(2)]
    seen: tuple[set[Any], set[Any]] = (set(), set())
    for turn in range(10):
        for client, found in zip(clients, seen, strict=True):
            if turn % 2:
                await client.execute("BEGIN")
            found.add(await client.fetchval("SELECT pg_backend_pid()"))
        for client in clients[::-1] if turn % 4 == 1 else clients:
            if turn % 2:
                await client.execute("COMMIT")
    for client in clients:
        await client.close()
    return seen


def test_a_missing_pooler_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a skip."""
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(LookupError, match="PgBouncer"):
        find_pgbouncer()


async def test_transactions_of_two_clients_share_connections(
    postgres_server: PostgresServer,
) -> None:
    """In transaction mode; in session mode each client has one of its own."""
    with _pooler(postgres_server, "transaction") as pooler:
        one, other = await _pids(pooler)
        assert one & other
    with _pooler(postgres_server, "session") as pooler:
        one, other = await _pids(pooler)
        assert len(one) == len(other) == 1
        assert one != other


async def test_the_process_a_pooler_names_is_not_the_servers(
    postgres_server: PostgresServer,
) -> None:
    """So it can be told from a server, in either mode."""
    for mode in ("transaction", "session"):
        with _pooler(postgres_server, mode) as pooler:
            client = await asyncpg.connect(pooler.url)
            assert client.get_server_pid() != await client.fetchval("SELECT pg_backend_pid()")
            await client.close()
    direct = await asyncpg.connect(postgres_server.url)
    assert direct.get_server_pid() == await direct.fetchval("SELECT pg_backend_pid()")
    await direct.close()


async def test_a_pooler_refuses_settings_it_does_not_know(postgres_server: PostgresServer) -> None:
    """Unless it was told to ignore them."""
    asked = {"jit": "off"}
    with (
        _pooler(postgres_server, "session") as pooler,
        pytest.raises(asyncpg.ProtocolViolationError, match="jit"),
    ):
        await asyncpg.connect(pooler.url, server_settings=asked)
    with _pooler(postgres_server, "session", ignore_startup_parameters="jit") as pooler:
        client = await asyncpg.connect(pooler.url, server_settings=asked)
        await client.close()


async def test_a_stopped_pooler_ends_its_clients(postgres_server: PostgresServer) -> None:
    """It can be started again, where it was."""
    with _pooler(postgres_server, "transaction") as pooler:
        client = await asyncpg.connect(pooler.url)
        await asyncio.to_thread(pooler.stop)
        with pytest.raises(_LOST):
            await client.fetchval("SELECT 1")
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncpg.connect(pooler.url)
        await asyncio.to_thread(pooler.start)
        client = await asyncpg.connect(pooler.url)
        assert await client.fetchval("SELECT 1") == 1
        await client.close()
