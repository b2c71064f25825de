"""A server that is silent, full or wrong: a clear error, and no endless wait."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import redis
from redis_fleet import Fleet
from redis_operations import add_up, fill, note, session
from redis_rights import few
from redis_server import until
from sessionkeeper import RedisSessionStore, StoreUnavailable
from sessionkeeper.cli.stores import open_store


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


@pytest.mark.parametrize("engine", ["redis"], indirect=True)
async def test_an_interrupted_command_does_not_wait_for_a_silent_server(fleet: Fleet) -> None:
    """However long the server may be silent: here, longer than any test."""
    server = fleet.start()
    url = f"{server.url}?socket_timeout=1000"
    async with RedisSessionStore(server.url) as store:
        await fill(store)

    async def command() -> None:
        async with open_store(url) as store:
            server.freeze()
            stores.append(store)
            await store.count_sessions()

    stores: list[Any] = []
    running = asyncio.ensure_future(command())
    try:
        while not (stores and stores[0].mailbox.batches):  # until it is under way
            await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.wait([running])
    finally:
        server.thaw()
    assert running.cancelled()


@pytest.mark.parametrize("ttl", [None, 3600.0], ids=["without a ttl", "with a ttl"])
async def test_a_full_server_allows_reads_and_deletes(ttl: float | None, fleet: Fleet) -> None:
    """A new process, too: it needs nothing that takes memory but what a store is made of.

    The error says how to make room.
    """
    server = fleet.start(maxmemory_policy="noeviction")
    async with RedisSessionStore(server.url, ttl=ttl) as store:
        await fill(store)
    server.configure("maxmemory", 1)
    async with RedisSessionStore(server.url) as store:
        assert await store.count_frames("a") == 3
        with pytest.raises(StoreUnavailable, match="maxmemory"):
            await store.add_frame(note(7))
        assert await store.trim_frames("a", up_to=1) == 1
        assert await store.delete_frames("a") == 2
        assert await store.purge_sessions(ended_for=0) == 2
        await store.delete_session("b")
        assert [each.id for each in await store.expire_sessions(age=0)] == ["a"]
        assert await store.purge_sessions(ended_for=0) == 1
        with pytest.raises(StoreUnavailable, match="delete, trim, expire or purge to make room"):
            await store.create_session(session("z"))
        await add_up(store)
    with pytest.raises(StoreUnavailable, match="maxmemory"):
        await RedisSessionStore(server.url, prefix="new").open()


async def test_a_watcher_on_a_full_server_sees_deletions(fleet: Fleet) -> None:
    """To be told takes no room worth refusing."""
    server = fleet.start(maxmemory_policy="noeviction")
    async with RedisSessionStore(server.url) as other, RedisSessionStore(server.url) as store:
        await fill(store)
        server.configure("maxmemory", 1)
        ended = asyncio.ensure_future(anext(store.watch_frames("a", after=3), None))
        watched = partial(server.say, "HGET", "{sessionkeeper:0}:meta", "watched")
        await asyncio.to_thread(until, watched, "the change feed is enabled")
        await other.delete_session("a")
        assert await ended is None


async def test_a_write_is_waited_for_however_long_the_server_is_silent_meanwhile(
    fleet: Fleet,
) -> None:
    """`wait_timeout` may be longer than the silence after which a connection is given up."""
    server = fleet.start()
    replica = fleet.start_replica(server)
    url = f"{server.url}?socket_timeout=1"
    async with RedisSessionStore(url, wait_replicas=1, wait_timeout=30.0, patience=60.0) as store:
        await store.create_session(session("a"))
        replica.freeze()
        adding = asyncio.ensure_future(store.add_frame(note(1)))
        waits = partial(server.info, "blocked_clients")
        await asyncio.to_thread(until, waits, "the server waits")
        await asyncio.sleep(2.0)  # nothing is waited for: as long as it takes to go wrong
        replica.thaw()
        assert await adding == 1


async def test_opening_refuses_a_requirement_that_no_write_could_meet(fleet: Fleet) -> None:
    """Otherwise each would be applied, and its outcome unknown."""
    server = fleet.start()
    major, minor, *_ = server.info("redis_version").split(".")
    knows = (int(major), int(minor)) >= (7, 2)
    with pytest.raises(StoreUnavailable, match="appendonly no" if knows else "7.2 or newer"):
        await RedisSessionStore(server.url, wait_aof=True).open()
    with pytest.raises(StoreUnavailable, match="NOPERM"):
        await RedisSessionStore(few(server, "p"), prefix="p", wait_replicas=1).open()
    if knows:
        synced = fleet.start(appendonly="yes")
        async with RedisSessionStore(synced.url, wait_aof=True, wait_timeout=30.0) as store:
            await store.create_session(session("a"))
            assert await store.add_frame(note(1)) == 1


@pytest.mark.parametrize("engine", ["redis"], indirect=True)
async def test_the_error_says_why_a_server_refuses_connections(fleet: Fleet) -> None:
    """A database it has not; a script that does not end."""
    server = fleet.start(busy_reply_threshold=1)
    with pytest.raises(StoreUnavailable, match="no database of that number"):
        await RedisSessionStore(server.url.replace("/0", "/99")).open()

    def endless() -> None:
        with pytest.raises(redis.ResponseError, match="killed"):
            server.say("EVAL", "while true do end", 0)

    running = asyncio.create_task(asyncio.to_thread(endless))
    reason = ""
    try:
        while "BUSY" not in reason:  # until the script has begun
            try:
                async with RedisSessionStore(server.url):
                    pass
            except StoreUnavailable as error:
                reason = error.reason
    finally:
        await asyncio.to_thread(server.say, "SCRIPT", "KILL")
        await running
