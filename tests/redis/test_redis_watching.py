"""Watching what other processes write: none missed, none twice, whatever happens to the server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis_fleet import Fleet
from redis_operations import note, session
from redis_processes import redis_workers
from redis_proxy import FaultProxy, proxied
from redis_server import RedisServer
from sessionkeeper import AtomicSessionStore, RedisSessionStore, StoreClosed

only_redis = pytest.mark.parametrize("engine", ["redis"], indirect=True)


async def followed(store: AtomicSessionStore, key: str, after: int = 0) -> list[int]:
    """The numbers of all frames until the session ends."""
    return [frame.seq async for frame in store.watch_frames(key, after=after)]


async def end(store: AtomicSessionStore, key: str) -> None:
    """End a session."""
    await store.modify_session(key, lambda each: each.model_copy(update={"state": "closed"}))


async def until_heeded(server: RedisServer, prefix: str) -> None:
    """Wait until somebody reads the change feed."""
    while not await asyncio.to_thread(server.say, "HEXISTS", f"{{{prefix}:0}}:meta", "watched"):
        pass


async def test_frames_of_other_processes_are_seen_until_the_session_ends(
    server: RedisServer, key_prefix: str
) -> None:
    """Each once and in order, from two of them, to the last one."""
    prefix = key_prefix[:-1]
    processes = redis_workers()
    try:
        async with RedisSessionStore(server.url, prefix=prefix) as store:
            await store.create_session(session("watched"))
            watching = asyncio.ensure_future(followed(store, "watched"))
            await until_heeded(server, prefix)
            writers = [
                processes.start("append", server.url, prefix, name, 50) for name in ("x", "y")
            ]
            for writer in writers:
                await asyncio.to_thread(processes.hear, writer, "ready")
            processes.tell(writers[0], "end")
            assert await watching == [*range(1, 101)]
    finally:
        processes.close()


@only_redis
@pytest.mark.parametrize("what", ["cut", "held", "restarted"])
async def test_a_watcher_misses_nothing_while_its_server_comes_and_goes(
    what: str, fleet: Fleet
) -> None:
    """It goes on from the last number, and notices the end."""
    server = fleet.start(appendonly="yes", appendfsync="always")

    async def disturb(proxy: FaultProxy, n: int) -> None:
        if what == "cut":
            await proxy.cut(reset=n % 2 > 0)
        elif what == "held":
            proxy.replies.hold("XREAD")  # and everything that follows on that connection
            await proxy.cut()
        elif n == 2:
            await asyncio.to_thread(server.restart)

    async with (
        proxied(server.port) as proxy,
        RedisSessionStore(proxy.url, patience=20.0) as store,
        RedisSessionStore(server.url, patience=20.0) as other,
    ):
        await other.create_session(session("a"))
        watching = [asyncio.ensure_future(followed(store, "a", after)) for after in (0, 7)]
        await until_heeded(server, "sessionkeeper")
        for n in range(5):
            await disturb(proxy, n)
            for k in range(8):
                await other.add_frame(note(8 * n + k))
        await end(other, "a")
        assert await asyncio.gather(*watching) == [[*range(1, 41)], [*range(8, 41)]]


@only_redis
async def test_many_watchers_need_one_connection_and_leave_none(fleet: Fleet) -> None:
    """A hundred of ten sessions: when the last one has left, its connection is closed."""
    server = fleet.start()

    async def connections() -> int:
        clients: str = await asyncio.to_thread(server.say, "CLIENT", "LIST")
        return clients.count(" name=sessionkeeper ")

    async with (
        RedisSessionStore(server.url) as store,
        RedisSessionStore(server.url) as other,
    ):
        reader: Any = store._wakeups._reader  # type: ignore[attr-defined]  # to wait less
        reader._linger = reader._block = 0.1
        for n in range(10):
            await other.create_session(session(f"s{n}"))
        before = await connections()
        watchers = [asyncio.ensure_future(followed(store, f"s{n % 10}")) for n in range(90)]
        leaving = [asyncio.ensure_future(followed(store, f"s{n}")) for n in range(10)]
        await until_heeded(server, "sessionkeeper")
        for n in range(10):
            for k in range(3):
                await other.add_frame(note(k, f"s{n}"))
        assert await connections() == before + 1
        for each in leaving:
            each.cancel()
        await asyncio.wait(leaving)
        for n in range(10):
            await end(other, f"s{n}")
        assert await asyncio.gather(*watchers) == [[1, 2, 3]] * 90
        while await connections() > before:
            pass
        assert len(store._wakeups) == 0
        assert await followed(store, "s1") == [1, 2, 3]


async def test_watchers_end_with_the_session_or_the_store(
    server: RedisServer, key_prefix: str
) -> None:
    """After a deletion elsewhere they end; after closing here they get an error."""
    prefix = key_prefix[:-1]
    async with RedisSessionStore(server.url, prefix=prefix) as other:
        async with RedisSessionStore(server.url, prefix=prefix) as store:
            for key in ("gone", "stays"):
                await other.create_session(session(key))
                await other.add_frame(note(0, key))
            gone = asyncio.ensure_future(followed(store, "gone"))
            stays = asyncio.ensure_future(followed(store, "stays"))
            await until_heeded(server, prefix)
            await other.delete_session("gone")
            seen = await gone
            assert seen in ([1], [])  # it may have gone before its frame was read
        with pytest.raises(StoreClosed):
            await stays


@only_redis
async def test_a_watcher_of_a_server_that_lost_everything_comes_to_an_end(fleet: Fleet) -> None:
    """Its session is not there any more."""
    server = fleet.start()
    async with RedisSessionStore(server.url, patience=20.0) as store:
        await store.create_session(session("a"))
        watching = asyncio.ensure_future(followed(store, "a"))
        await until_heeded(server, "sessionkeeper")
        await asyncio.to_thread(server.restart, keep_data=False)
        assert await watching == []
