"""Frames that were removed and are collected later, while other processes remove more."""

from __future__ import annotations

import asyncio
import threading

import asyncpg
import pytest
from postgres_server import PostgresServer
from sessionkeeper import PostgresSessionStore
from sessionkeeper.backends.postgres import frames
from sessionkeeper.backends.postgres.connection import PostgresConnection, Record

from tests.support.sessions import new_session, note

MANY = 1_100
"""More than an operation deletes itself."""


async def test_a_tombstone_that_another_process_raises_is_not_dropped(
    postgres_url: str, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one adds frames and removes them while this one drops the tombstone."""
    schema = postgres_url.partition("schema=")[2]
    dropping, raised = threading.Event(), threading.Event()
    real = PostgresConnection.fetch

    def fetch(self: PostgresConnection, sql: str, *parameters: object) -> list[Record]:
        if sql == frames._DROP_TOMBSTONE:
            dropping.set()
            assert raised.wait(60)
        return list(real(self, sql, *parameters))

    other = await asyncpg.connect(postgres_server.url)
    try:
        async with asyncio.timeout(300), PostgresSessionStore(postgres_url) as store:
            await store.create_session(new_session("a"))
            await store.add_frames("a", [note(1, "a")] * 1_000)
            await store.add_frames("a", [note(1, "a")] * (MANY - 1_000))
            monkeypatch.setattr(PostgresConnection, "fetch", fetch)
            await store.delete_frames("a")
            assert await asyncio.to_thread(dropping.wait, 60)
            await other.execute(
                f"SET search_path = {schema}; BEGIN;"
                " INSERT INTO frames SELECT session, up_to + 1, 0, 0, '{}' FROM tombstones;"
                " UPDATE tombstones SET up_to = up_to + 1"
            )
            raised.set()
            waits = "SELECT count(*) FROM pg_locks WHERE pid <> pg_backend_pid() AND NOT granted"
            while not await other.fetchval(waits):
                await asyncio.sleep(0.01)
            await other.execute("COMMIT")
            while await other.fetchval("SELECT count(*) FROM tombstones"):
                await asyncio.sleep(0.01)
            assert await other.fetchval("SELECT count(*) FROM frames") == 0
    finally:
        raised.set()
        await other.close()
