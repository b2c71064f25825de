"""Keys that are gone though no operation took them: nothing fails, and the numbers add up again."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from typing import Any

import pytest
from redis_fleet import Fleet
from redis_net import net_holds, raw
from redis_operations import add_up, fill, note, session
from redis_server import RedisServer, until
from sessionkeeper import (
    FramesFull,
    MessageEnvelope,
    OutcomeUnknown,
    RedisSessionStore,
    ServerStatistics,
    SessionNotFound,
    SessionQuery,
    SessionsFull,
    StoreLimits,
    StoreUnavailable,
)

_NUMBERS = count()

Walk = Callable[[RedisSessionStore], Awaitable[object]]

WALKS: dict[str, Walk] = {
    "list_sessions": lambda s: s.list_sessions(),
    "find_sessions": lambda s: s.find_sessions(SessionQuery()),
    "find_sessions, the newest": lambda s: s.find_sessions(SessionQuery(), order="last-activity"),
    "expire_sessions": lambda s: s.expire_sessions(idle=0),
    "purge_sessions": lambda s: s.purge_sessions(ended_for=0),
    "create_session, of that name": lambda s: asyncio.gather(
        *(s.create_session(session(each)) for each in ("a", "ended"))
    ),
    "create_session, which evicts": lambda s: asyncio.gather(
        *(s.create_session(session(f"new-{n}")) for n in range(4))
    ),
}


@asynccontextmanager
async def opened(
    server: RedisServer, prefix: str, **options: Any
) -> AsyncIterator[tuple[RedisSessionStore, str]]:
    """A filled store, and what its keys begin with."""
    name = f"{prefix[:-1]}-{next(_NUMBERS)}"
    limits = StoreLimits(max_sessions=4, sessions_full=SessionsFull.EVICT_IDLE)
    async with RedisSessionStore(server.url, prefix=name, limits=limits, **options) as store:
        await fill(store)
        yield store, f"{{{name}:0}}"


@pytest.mark.parametrize("ttl", [None, 3600], ids=["without a ttl", "with a ttl"])
@pytest.mark.parametrize("walk", WALKS)
async def test_a_session_whose_hash_somebody_deleted_is_counted_as_purged(
    walk: str, ttl: float | None, server: RedisServer, key_prefix: str
) -> None:
    """The first call that finds it counts it, live or ended; its frames count as removed."""
    async with opened(server, key_prefix, ttl=ttl) as (store, tag):
        before = await add_up(store)
        server.say("DEL", f"{tag}:s:a", f"{tag}:s:ended")
        with pytest.raises(SessionNotFound):
            await store.add_frame(note(9))
        await WALKS[walk](store)
        if walk in ("expire_sessions", "purge_sessions"):  # each looks at its own half
            await store.list_sessions()
        now = await add_up(store)
        purged = 1 if walk == "purge_sessions" else 0  # "over" was due as well
        assert now.counters.purged == before.counters.purged + 2 + purged
        assert now.counters.frames_removed >= before.counters.frames_removed + 3
        for index in ("order", "idle", "ages", "ended", "last-used"):
            gone = {b"a", b"ended"} - {each.id.encode() for each in await store.list_sessions()}
            assert not gone & {*raw(server, "ZRANGE", f"{tag}:{index}", 0, -1)}
        there = await store.list_sessions()
        alices = sum(each.principal == "alice" for each in there)
        assert await store.for_principal("alice").count_sessions() == alices
        if ttl is not None:
            assert {*raw(server, "HKEYS", f"{tag}:expiry-records")} == {
                each.id.encode() for each in there
            }


@pytest.mark.parametrize("ttl", [None, 3600], ids=["without a ttl", "with a ttl"])
async def test_a_log_with_deleted_frames_is_read_without_them(
    ttl: float | None, server: RedisServer, key_prefix: str
) -> None:
    """Numbers are not used again, nor those of other frames; the sums hold once it was read."""
    async with opened(server, key_prefix, ttl=ttl) as (store, tag):
        server.say("DEL", f"{tag}:l:a")
        assert await store.read_frames("a") == []
        await add_up(store)
        assert await store.add_frames("a", [note(n) for n in range(3)]) == range(4, 7)
        server.say("DEL", f"{tag}:l:a")
        assert await store.add_frames("a", [note(n) for n in range(3)]) == range(7, 10)
        assert [frame.seq for frame in await store.read_frames("a")] == [7, 8, 9]
        assert [frame.seq for frame in await store.read_frames("a", after=7)] == [8, 9]
        assert await store.trim_frames("a", up_to=5) == 2
        now = await add_up(store)
        assert (now.counters.frames_added, now.frames) == (11, 5)
        if ttl is not None:
            assert server.say("ZCARD", f"{tag}:ttl") == 4


async def test_a_full_log_that_was_lost_takes_frames_again(
    server: RedisServer, key_prefix: str
) -> None:
    """Its oldest are dropped, though they are not there."""
    limits = StoreLimits(max_frames_per_session=3, frames_full=FramesFull.DROP_OLDEST)
    name = key_prefix[:-1]
    async with RedisSessionStore(server.url, prefix=name, limits=limits) as store:
        await fill(store)
        server.say("DEL", f"{{{name}:0}}:l:a")
        assert await store.add_frame(note(3)) == 4
        assert await store.add_frame(note(4)) == 5
        assert [frame.seq for frame in await store.read_frames("a")] == [4, 5]
        assert await store.add_frame(note(5)) == 6
        await add_up(store)


async def test_evicted_keys_are_missing_and_nothing_else(fleet: Fleet) -> None:
    """`allkeys-lru` takes hashes, logs or both of who was idle; the rest works and adds up."""
    server = fleet.start(maxmemory_policy="allkeys-lru", maxmemory_samples=10)
    options: dict[str, Any] = {"allow_eviction": True}
    async with (
        RedisSessionStore(server.url, prefix="without", **options) as without,
        RedisSessionStore(server.url, prefix="with", ttl=3600, **options) as kept,
    ):
        stores = (without, kept)
        numbers = iter(range(100_000))

        async def grow() -> None:
            for store in stores:
                ids = [f"s{next(numbers)}" for _ in range(30)]
                await asyncio.gather(*(store.create_session(session(each)) for each in ids))
                frames = [store.add_frame(_large(each)) for each in ids]
                for told in await asyncio.gather(*frames, return_exceptions=True):
                    assert told == 1 or isinstance(told, SessionNotFound)  # it went at once

        for _ in range(6):
            await grow()
        idle = partial(server.say, "OBJECT", "IDLETIME", "{with:0}:s:s30")
        until(lambda: idle() >= 2, "the server sees who is idle")
        await grow()  # and that the keys of the bucket are not
        server.configure("maxmemory", server.info("used_memory") - 500_000)
        while int(server.info("evicted_keys")) < 120:
            await grow()
        server.configure("maxmemory-policy", "noeviction")
        server.configure("maxmemory", 0)
        for store in stores:
            there = await store.list_sessions()
            whole = [each for each in there if await store.read_frames(each.id)]
            assert 0 < len(whole) < len(there)
            now = await add_up(store)
            assert now.counters.created > len(there) == now.counters.created - now.counters.purged
        net_holds(server, "with")


def _large(session_id: str) -> MessageEnvelope:
    message = {"jsonrpc": "2.0", "method": "note", "params": ["x" * 2000]}
    return MessageEnvelope.of(session_id, message, direction="client-to-server")


NESTED = '{"canary":' * 100_000


@pytest.mark.parametrize(
    ("field", "value"),
    [*((each, "canary") for each in "rqksdxc"), ("d", NESTED), ("x", NESTED)],
    ids=lambda each: each[:8],
)
async def test_a_corrupt_session_ends_no_store(
    field: str, value: str, server: RedisServer, key_prefix: str
) -> None:
    """The error says that it cannot be read, and nothing of its content."""
    prefix = key_prefix[:-1]
    async with RedisSessionStore(server.url, prefix=prefix) as store:
        await fill(store)
        server.say("HSET", f"{{{prefix}:0}}:s:a", field, value)
        for call in (store.get_session("a"), store.list_sessions()):
            with pytest.raises(StoreUnavailable, match="session 'a' cannot be read") as told:
                await call
            assert "canary" not in "".join(traceback.format_exception(told.value))
        assert await store.add_frame(note(9, "b")) == 3
        with pytest.raises(OutcomeUnknown):  # it is gone; what it was nobody can tell
            await store.delete_session("a")
        assert [each.id for each in await store.list_sessions()] == ["b", "ended", "over"]


async def test_corrupt_counters_and_logs_are_reported_as_unreadable(
    server: RedisServer, key_prefix: str
) -> None:
    """By those operations alone that need them."""
    prefix = key_prefix[:-1]
    async with RedisSessionStore(server.url, prefix=prefix) as store:
        await fill(store)
        server.say("DEL", f"{{{prefix}:0}}:l:a")
        server.say("XADD", f"{{{prefix}:0}}:l:a", "1-0", "not", "ours")
        server.say("HSET", f"{{{prefix}:0}}:meta", "not", "ours")
        for call in (store.get_frames("a"), store.statistics()):
            with pytest.raises(StoreUnavailable, match="cannot be read"):
                await call
        assert await store.count_frames("a") == 3
        assert len(await store.get_frames("b")) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [("version", "x"), ("buckets", "0"), ("buckets", "4097"), ("buckets", "x"), ("ttl", "x")],
)
async def test_a_foreign_layout_is_refused(
    field: str, value: str, server: RedisServer, key_prefix: str
) -> None:
    """In one sentence, whoever opens the store."""
    prefix = key_prefix[:-1]
    async with RedisSessionStore(server.url, prefix=prefix):
        pass
    server.say("HSET", f"{{{prefix}:0}}:layout", field, value)
    with pytest.raises(StoreUnavailable, match=r"the layout of the store .* cannot be read"):
        await RedisSessionStore(server.url, prefix=prefix).open()


async def test_foreign_entries_in_the_feed_stop_no_watcher(
    server: RedisServer, key_prefix: str
) -> None:
    """Bytes that are no id wake nobody; entries after them do."""
    prefix = key_prefix[:-1]
    bucket = f"{{{prefix}:0}}"
    async with (
        RedisSessionStore(server.url, prefix=prefix) as other,
        RedisSessionStore(server.url, prefix=prefix) as store,
    ):
        await fill(store)
        watcher = store.watch_frames("a", after=3)
        hearing = asyncio.ensure_future(anext(watcher))
        watched = partial(server.say, "HGET", f"{bucket}:meta", "watched")
        await asyncio.to_thread(until, watched, "the change feed is enabled")
        for _ in range(2):
            server.say("XADD", f"{bucket}:changes", "*", "s", b"\xff")
            await other.add_frame(note(4))
            assert (await hearing).seq in (4, 5)
            hearing = asyncio.ensure_future(anext(watcher))
        hearing.cancel()
        await asyncio.wait([hearing])


async def test_a_store_whose_server_lost_everything_is_still_laid_out_as_it_was(
    fleet: Fleet,
) -> None:
    """The next write restores the layout, so a store opened later finds the same store."""
    server = fleet.start()
    async with RedisSessionStore(server.url, buckets=8, ttl=3600) as store:
        await store.create_session(session("a"))
        server.say("FLUSHALL")
        await store.create_session(session("a"))
        async with RedisSessionStore(server.url, must_exist=True) as other:
            assert [each.id for each in await other.list_sessions()] == ["a"]
            told = (await other.statistics()).server
            assert isinstance(told, ServerStatistics)
            assert (told.buckets, told.ttl) == (8, 3600)


async def test_a_store_recreated_with_another_layout_is_not_written_to(
    fleet: Fleet,
) -> None:
    """Stores opened before are refused: they would not see the sessions of the new ones."""
    server = fleet.start()
    async with RedisSessionStore(server.url, buckets=8) as store:
        await store.create_session(session("a"))
        server.say("FLUSHALL")
        async with RedisSessionStore(server.url) as other:
            for _ in range(2):
                told, seen = await asyncio.gather(
                    store.create_session(session("a")),
                    store.count_sessions(),
                    return_exceptions=True,
                )
                assert isinstance(told, StoreUnavailable)
                assert "made again" in told.reason
                assert seen == 0
            assert await other.count_sessions() == 0
            await other.create_session(session("b"))
            await add_up(other)
