"""A server that is silent, full, or not what was asked for: one clear word, and never for ever."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from redis_fleet import Fleet
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
