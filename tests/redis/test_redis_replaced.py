"""A server comes back without its last frames: their watchers get an error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis_fleet import Fleet
from redis_operations import note, session
from redis_processes import redis_workers
from redis_proxy import proxied
from redis_server import RedisServer, until
from sessionkeeper import (
    AtomicSessionStore,
    Frame,
    FrameWatcher,
    LogReplaced,
    RedisSessionStore,
    ThreadSafeSessionStore,
)

valkey = pytest.mark.parametrize("engine", ["valkey"], indirect=True)


async def add(store: AtomicSessionStore, *labels: str) -> None:
    """Append a frame for each."""
    for label in labels:
        await store.add_frame(note(label))


async def take(watcher: FrameWatcher, count: int) -> list[Frame]:
    """Read so many frames."""
    return [await anext(watcher) for _ in range(count)]


@asynccontextmanager
async def lost_tail(
    fleet: Fleet, *, trimmed: bool = False
) -> AsyncIterator[tuple[RedisSessionStore, RedisSessionStore, FrameWatcher]]:
    """Kill a server after it saved two frames of five, and start it with what it saved."""
    server = fleet.start(save="")
    async with RedisSessionStore(server.url) as store, RedisSessionStore(server.url) as other:
        await store.create_session(session("a"))
        await add(store, "one", "two")
        server.say("SAVE")
        await add(store, "lost3", "lost4", "lost5")
        async with store.watch_frames("a") as watcher:
            await take(watcher, 5)
            if trimmed:
                await store.trim_frames("a", up_to=5)
            server.kill()
            server.start()
            yield store, other, watcher


@pytest.mark.parametrize("more", [0, 1, 3, 4, 9])
async def test_a_watcher_gets_an_error_when_the_log_is_replaced(more: int, fleet: Fleet) -> None:
    """The log is shorter than what it read, as long, or longer."""
    async with lost_tail(fleet) as (_, other, watcher), asyncio.timeout(300):
        await add(other, *(f"kept{n}" for n in range(more)))
        with pytest.raises(LogReplaced) as told:
            await anext(watcher)
        assert (told.value.session_id, told.value.after) == ("a", 5)
        with pytest.raises(LogReplaced):
            await anext(watcher)
        assert len([*await other.read_frames("a")]) == 2 + more


@valkey
async def test_a_watcher_in_another_process_is_woken(fleet: Fleet) -> None:
    """It can only notice a loss that it sees."""
    server = fleet.start(save="")
    processes = redis_workers()
    try:
        async with RedisSessionStore(server.url, prefix="p") as store:
            await store.create_session(session("watched"))
            await store.add_frame(note("one", "watched"))
            server.say("SAVE")
            await store.add_frame(note("lost2", "watched"))
            watcher = processes.start("watch", server.url, "p")
            for n in (1, 2):
                await asyncio.to_thread(processes.hear, watcher, f"read {n}")
            server.kill()
            server.start()
            for label in ("kept2", "kept3"):
                await store.add_frame(note(label, "watched"))
            said = await asyncio.to_thread(processes.hear, watcher, "")
            assert said == "LogReplaced after 2"
    finally:
        processes.close()


@valkey
async def test_a_waiting_watcher_gets_the_error_even_if_nobody_writes(fleet: Fleet) -> None:
    """It reads again when its server is back."""
    server = fleet.start(save="")
    async with RedisSessionStore(server.url) as store:
        await store.create_session(session("a"))
        await add(store, "one", "two")
        server.say("SAVE")
        await add(store, "lost3")
        async with store.watch_frames("a", after=2) as watcher:
            await take(watcher, 1)
            step = asyncio.ensure_future(anext(watcher))
            await asyncio.to_thread(until, lambda: is_watched(server), "somebody watches")
            server.kill()
            server.start()
            async with asyncio.timeout(300):
                with pytest.raises(LogReplaced):
                    await step


@valkey
async def test_a_watcher_that_began_at_a_number_gets_the_error_too(fleet: Fleet) -> None:
    """It read no frame itself: the frame of that number was there when it began."""
    server = fleet.start(save="")
    async with RedisSessionStore(server.url) as store, RedisSessionStore(server.url) as other:
        await store.create_session(session("a"))
        await add(store, "one")
        server.say("SAVE")
        await add(store, "lost2", "lost3")
        async with store.watch_frames("a", after=3) as watcher:
            step = asyncio.ensure_future(anext(watcher))
            await asyncio.to_thread(until, lambda: is_watched(server), "somebody watches")
            server.kill()
            server.start()
            await add(other, "kept2", "kept3", "kept4")
            async with asyncio.timeout(300):
                with pytest.raises(LogReplaced):
                    await step


@valkey
async def test_nothing_is_reported_if_nothing_was_lost(fleet: Fleet) -> None:
    """A restart with all frames; and frames removed under the watcher."""
    server = fleet.start(save="", appendonly="yes", appendfsync="always")
    async with RedisSessionStore(server.url) as store:
        await store.create_session(session("a"))
        await add(store, "one", "two")
        async with store.watch_frames("a") as watcher, asyncio.timeout(300):
            await take(watcher, 2)
            server.kill()
            server.start()
            await add(store, "three")
            assert [frame.seq for frame in await take(watcher, 1)] == [3]
            await store.trim_frames("a", up_to=3)
            await add(store, "four")
            assert [frame.seq for frame in await take(watcher, 1)] == [4]
            await store.delete_frames("a")
            await add(store, "five")
            assert [frame.seq for frame in await take(watcher, 1)] == [5]


@valkey
async def test_frames_removed_before_the_loss_are_no_way_past_others(fleet: Fleet) -> None:
    """Of the frame read last nothing was left to compare, and the log is shorter than it was."""
    async with lost_tail(fleet, trimmed=True) as (_, other, watcher), asyncio.timeout(300):
        await add(other, "kept3")
        with pytest.raises(LogReplaced):
            await anext(watcher)


@valkey
async def test_a_frame_of_the_same_message_and_time_is_another(fleet: Fleet) -> None:
    """The size of the log up to it is compared, too."""
    async with lost_tail(fleet) as (_, other, watcher), asyncio.timeout(300):
        await add(other, "kept three", "kept four", "lost5", "kept6")
        with pytest.raises(LogReplaced):
            await anext(watcher)


@valkey
async def test_a_replica_without_the_tail_takes_over(fleet: Fleet) -> None:
    """Behind one address, as with a name that moves."""
    primary = fleet.start(save="")
    replica = fleet.start_replica(primary, save="")
    async with (
        proxied(primary.port) as proxy,
        RedisSessionStore(proxy.url) as store,
    ):
        await store.create_session(session("a"))
        await add(store, "one", "two")
        offset = primary.info("master_repl_offset")
        await asyncio.to_thread(
            until, lambda: replica.info("slave_repl_offset") >= offset, "the replica has it"
        )
        replica.say("REPLICAOF", "NO", "ONE")  # it hears of nothing more
        await add(store, "lost3", "lost4")
        async with store.watch_frames("a") as watcher, asyncio.timeout(300):
            await take(watcher, 4)
            primary.kill()
            proxy.server_port = replica.port
            await proxy.cut()
            async with RedisSessionStore(replica.url) as other:
                await add(other, "kept3", "kept4", "kept5")
            with pytest.raises(LogReplaced):
                await anext(watcher)


@valkey
async def test_a_watcher_in_a_thread_is_woken(fleet: Fleet) -> None:
    """The same holds for a principal's watcher."""
    server = fleet.start(save="")
    async with RedisSessionStore(server.url) as store, RedisSessionStore(server.url) as other:
        await store.create_session(session("a", principal="alice"))
        await add(store, "one")
        server.say("SAVE")
        await add(store, "lost2")
        facade = ThreadSafeSessionStore(store)
        reader = await asyncio.to_thread(facade.watch_frames, "a")
        view = store.for_principal("alice").watch_frames("a")
        assert [(await asyncio.to_thread(next, reader)).seq for _ in range(2)] == [1, 2]
        await take(view, 2)
        server.kill()
        server.start()
        await add(other, "kept2", "kept3")
        async with asyncio.timeout(300):
            with pytest.raises(LogReplaced):
                await asyncio.to_thread(next, reader)
            with pytest.raises(LogReplaced):
                await anext(view)


def is_watched(server: RedisServer) -> bool:
    """Whether somebody has enabled the change feed."""
    return bool(server.say("HEXISTS", "{sessionkeeper:0}:meta", "watched"))
