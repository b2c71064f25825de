"""A server that is silent, full, or not what was asked for: one clear word, and never for ever."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from redis_fleet import Fleet
from redis_operations import add_up, fill, note
from sessionkeeper import RedisSessionStore, StoreUnavailable


async def opened_soon(url: str, **options: Any) -> RedisSessionStore:
    """Open a store with so short a patience that opening may need some tries."""
    while True:
        store = RedisSessionStore(url, **options)
        with suppress(StoreUnavailable):
            return await store.open()


@pytest.mark.parametrize("engine", ["redis"], indirect=True)
async def test_a_server_that_accepts_and_says_nothing_is_not_waited_for_without_end(
    fleet: Fleet,
) -> None:
    """Although each attempt takes longer than patience is: they are one trouble, not a new one."""
    server = fleet.start()
    short = f"{server.url}?socket_timeout=0.1&socket_connect_timeout=0.2"
    store = await opened_soon(short, patience=0.1)
    server.freeze()
    try:
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="in time"):
                await store.count_sessions()
        await store.aclose()
    finally:
        server.thaw()


async def test_a_full_server_lets_in_who_reads_and_makes_room(fleet: Fleet) -> None:
    """A new process, too: it needs nothing that takes memory but what a store is made of."""
    server = fleet.start(maxmemory_policy="noeviction")
    async with RedisSessionStore(server.url) as store:
        await fill(store)
    server.configure("maxmemory", 1)
    async with RedisSessionStore(server.url) as store:
        assert await store.count_frames("a") == 3
        with pytest.raises(StoreUnavailable, match="maxmemory"):
            await store.add_frame(note(7))
        assert await store.trim_frames("a", up_to=1) == 1
        assert await store.purge_sessions(ended_for=0) == 2
        await store.delete_session("b")
        with pytest.raises(StoreUnavailable, match="maxmemory"):
            await store.add_frame(note(8))
        await add_up(store)
    with pytest.raises(StoreUnavailable, match="maxmemory"):
        await RedisSessionStore(server.url, prefix="new").open()
