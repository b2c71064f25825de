"""How long a batch is tried: for the whole patience, whatever became of the batch before it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from postgres_proxy import PostgresProxy
from postgres_trials import through
from redis_operations import note, session
from sessionkeeper.stores.postgres import PostgresSessionStore


async def _write(store: PostgresSessionStore) -> object:
    return await store.add_frame(note(1))


async def _read(store: PostgresSessionStore) -> object:
    return await store.get_session("a")


@pytest.mark.parametrize("ask", [_write, _read])
async def test_a_batch_that_its_callers_left_takes_nothing_from_the_next_one(
    ask: Callable[[PostgresSessionStore], Awaitable[object]],
    postgres_proxy: PostgresProxy,
    postgres_url: str,
) -> None:
    """It ended between two attempts; what comes much later has attempts of its own."""
    url = through(postgres_proxy, postgres_url)
    async with PostgresSessionStore(url, patience=60.0) as store:
        await store.create_session(session("a"))
        await ask(store)
        pair = cast("Any", store._actor)
        storages = store._writer, pair._reader._runner._storage
        postgres_proxy.refuse()
        await postgres_proxy.cut()
        left = asyncio.ensure_future(ask(store))
        await asyncio.sleep(0.3)
        left.cancel()
        await asyncio.wait({left})
        await asyncio.sleep(0.3)
        for storage in storages:
            storage._since -= 3600  # as if that had been an hour ago
        asked = asyncio.ensure_future(ask(store))
        done, _ = await asyncio.wait({asked}, timeout=0.5)
        assert not done, "it had no patience"
        await postgres_proxy.listen()
        assert await asked
