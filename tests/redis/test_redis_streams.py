"""The index of streams on a server: it costs what a stream holds, and follows every removal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any

import pytest
from redis_cluster import Cluster
from redis_fleet import Fleet
from redis_net import raw, until_gone
from redis_operations import add_up, session
from redis_rights import few
from redis_server import RedisServer, until
from sessionkeeper import (
    ActorSessionStore,
    FramesFull,
    MessageEnvelope,
    RedisSessionStore,
    Session,
    SessionNotFound,
    SessionsFull,
    SessionState,
    StoreLimits,
    StoreUnavailable,
)
from sessionkeeper.backends.redis.keys import Keys

from tests.support.stream_programs import IDS, framed, left_in_streams, step

_NUMBERS = count()
WRONG_TYPE = "holds something else"


@asynccontextmanager
async def opened(
    server: RedisServer, prefix: str, **options: Any
) -> AsyncIterator[tuple[RedisSessionStore, str]]:
    """A store, and what its keys begin with."""
    name = f"{prefix[:-1]}-{next(_NUMBERS)}"
    async with RedisSessionStore(server.url, prefix=name, **options) as store:
        yield store, f"{{{name}:0}}"


async def numbers(store: RedisSessionStore, stream: str = "x", id: str = "a") -> list[int]:
    """The numbers of a stream; counting must find as many."""
    found = [frame.seq for frame in await store.read_frames(id, stream=stream)]
    assert await store.count_frames(id, stream=stream) == len(found)
    return found


async def fill(store: RedisSessionStore, frames: int = 6, id: str = "a") -> None:
    """A session with frames of two streams in turn."""
    await store.create_session(session(id, principal="alice"))
    await store.add_frames(id, [framed(n, "xy"[n % 2], id) for n in range(frames)])


@pytest.mark.parametrize("ttl", [None, 3600], ids=["without a ttl", "with a ttl"])
@pytest.mark.parametrize("seed", range(3))
async def test_a_random_program_sees_what_it_sees_in_memory(
    seed: int, ttl: float | None, server: RedisServer, key_prefix: str
) -> None:
    """Whatever is added, read and removed; afterwards the index has exactly what is there."""
    async with opened(server, key_prefix, ttl=ttl) as (store, tag), ActorSessionStore() as model:
        for id_ in IDS:
            for each in (store, model):
                await each.create_session(session(id_))
        for number in range(200):
            told = await step(model, seed * 1_000 + number)
            assert await step(store, seed * 1_000 + number) == told
        entries = sum(raw(server, "ZCARD", f"{tag}:i:{id_}") for id_ in IDS)
        assert entries == await left_in_streams(model)
        for id_ in IDS:
            marked = raw(server, "HEXISTS", f"{tag}:s:{id_}", "j")
            assert marked == raw(server, "EXISTS", f"{tag}:i:{id_}")
        await add_up(store)


async def counted_commands(
    server: RedisServer, prefix: str, frames: Sequence[MessageEnvelope]
) -> list[dict[str, int]]:
    """How often each command ran to read a stream of a new log, whole and in parts."""
    ran: list[dict[str, int]] = []
    async with opened(server, prefix) as (store, _):
        await store.create_session(session("a"))
        for start in range(0, len(frames), 500):
            await store.add_frames("a", frames[start : start + 500])
        for options in ({}, {"limit": 10}, {"limit": 10, "newest": True}, {"after": 10**6}):
            server.say("CONFIG", "RESETSTAT")
            await store.read_frames("a", stream="0", **options)  # type: ignore[arg-type]  # of each
            stats: Any = server.say("INFO", "commandstats")
            ran.append({name: each["calls"] for name, each in stats.items()})
    return [{name: n for name, n in each.items() if _of_scripts(name)} for each in ran]


def _of_scripts(name: str) -> bool:
    return name in {f"cmdstat_{each}" for each in ("evalsha", "hmget", "xrange", "zcard", "zrange")}


async def test_reading_a_stream_costs_what_it_holds(fleet: Fleet, key_prefix: str) -> None:
    """One of 8 in a log of 5,000 frames costs what it costs alone: the commands are counted."""
    server = fleet.start()
    alone = await counted_commands(server, key_prefix, [framed(n, "0") for n in range(625)])
    eight = [framed(n, str(n % 8)) for n in range(5_000)]
    shared = await counted_commands(server, key_prefix, eight)
    assert shared == alone
    assert [each.get("cmdstat_xrange", 0) for each in shared] == [625, 10, 10, 0]


async def test_a_log_without_streams_adds_no_command(fleet: Fleet, key_prefix: str) -> None:
    """Neither to appends nor to removals: no command for an index runs, and no key is there."""
    server = fleet.start()
    async with opened(server, key_prefix) as (store, tag):
        await store.create_session(session("a"))
        server.say("CONFIG", "RESETSTAT")
        await store.add_frames("a", [framed(n, None) for n in range(3)])
        await store.add_frame(framed(4, None))
        await store.trim_frames("a", up_to=2)
        await store.read_frames("a")
        await store.delete_frames("a")
        stats: Any = server.say("INFO", "commandstats")
        assert "cmdstat_zrange" not in stats
        # Of `append.lua` and `check_types.lua`, as ever.
        assert stats["cmdstat_zcard"]["calls"] == 2 * 1 + 2 * 4
        assert raw(server, "EXISTS", f"{tag}:i:a") == 0


@pytest.mark.parametrize("removal", ["delete", "purge", "evict", "clear", "trim"])
async def test_an_index_goes_with_its_frames(
    removal: str, server: RedisServer, key_prefix: str
) -> None:
    """Whatever removes them; a later session of the id begins without."""
    limits = StoreLimits(max_sessions=2, sessions_full=SessionsFull.EVICT_IDLE)
    async with opened(server, key_prefix, limits=limits) as (store, tag):
        await fill(store)
        assert raw(server, "ZCARD", f"{tag}:i:a") == 6
        match removal:
            case "delete":
                await store.delete_session("a")
            case "purge":
                await store.modify_session("a", _closed)
                await store.purge_sessions(ended_for=0)
            case "evict":
                await store.create_session(session("b"))
                await store.create_session(session("c"))
            case "clear":
                await store.delete_frames("a")
            case _:
                await store.trim_frames("a", up_to=6)
        assert raw(server, "EXISTS", f"{tag}:i:a") == 0
        if removal in ("delete", "purge", "evict"):
            await store.create_session(session("a"))
        assert await numbers(store) == []
        seq = await store.add_frame(framed(9, "x"))
        assert await numbers(store) == [seq]


def _closed(now: Session) -> Session:
    return now.model_copy(update={"state": SessionState.CLOSED})


async def test_dropping_the_oldest_keeps_the_index(server: RedisServer, key_prefix: str) -> None:
    """Also if a batch drops all frames that were there, and with a change in the same step."""
    limits = StoreLimits(max_frames_per_session=4, frames_full=FramesFull.DROP_OLDEST)
    async with opened(server, key_prefix, limits=limits) as (store, tag):
        await fill(store, 4)
        for seq in range(5, 9):
            assert await store.add_frame(framed(seq, "y" if seq % 2 else None)) == seq
        assert (await numbers(store), await numbers(store, "y")) == ([], [5, 7])
        await store.add_frames("a", [framed(n, "x") for n in range(4)])
        assert (await numbers(store), await numbers(store, "y")) == ([*range(9, 13)], [])
        tagged = [framed(n, "y") for n in range(2)]
        await store.add_frames("a", tagged, change=lambda s: s.model_copy(update={"tags": {"t"}}))
        assert (await numbers(store), await numbers(store, "y")) == ([11, 12], [13, 14])
        assert raw(server, "ZCARD", f"{tag}:i:a") == 4
        await store.add_frames("a", [framed(n, None) for n in range(4)])
        assert raw(server, "EXISTS", f"{tag}:i:a") == 0


async def test_an_index_that_is_gone_is_made_up_for(server: RedisServer, key_prefix: str) -> None:
    """Somebody deleted the key: reads look through the log, and the next frame brings it back."""
    async with opened(server, key_prefix) as (store, tag):
        await fill(store)
        server.say("DEL", f"{tag}:i:a")
        assert await numbers(store) == [1, 3, 5]
        newest = await store.read_frames("a", stream="y", newest=True, limit=2)
        assert [frame.seq for frame in newest] == [4, 6]
        assert raw(server, "EXISTS", f"{tag}:i:a") == 0
        await store.add_frame(framed(7, "x"))
        assert raw(server, "ZCARD", f"{tag}:i:a") == 7
        assert (await numbers(store), await numbers(store, "y")) == ([1, 3, 5, 7], [2, 4, 6])
        server.say("DEL", f"{tag}:i:a")
        await store.trim_frames("a", up_to=2)
        assert (await numbers(store), await numbers(store, "y")) == ([3, 5, 7], [4, 6])
        assert raw(server, "ZCARD", f"{tag}:i:a") == 5


async def test_what_an_older_library_left_does_no_harm(
    server: RedisServer, key_prefix: str
) -> None:
    """It trims a log and deletes a session without the index, which it does not know."""
    async with opened(server, key_prefix) as (store, tag):
        await fill(store)
        server.say("XTRIM", f"{tag}:l:a", "MINID", "=", "4-0")
        size = sum(len(framed(n, "x").message) for n in range(3))
        server.say("HINCRBY", f"{tag}:s:a", "z", -size)
        server.say("HSET", f"{tag}:s:a", "k", 3)
        assert (await numbers(store), await numbers(store, "y")) == ([5], [4, 6])
        server.say("RENAME", f"{tag}:i:a", f"{tag}:kept")
        await store.delete_session("a")
        server.say("RENAME", f"{tag}:kept", f"{tag}:i:a")
        await store.create_session(session("a"))
        await store.add_frames("a", [framed(n, None) for n in range(6)])
        assert await numbers(store) == []
        await store.add_frame(framed(7, "x"))
        assert await numbers(store) == [7]
        assert raw(server, "ZCARD", f"{tag}:i:a") == 1


@pytest.mark.parametrize("ttl", [None, 3600], ids=["without a ttl", "with a ttl"])
async def test_the_index_of_a_lost_session_is_removed(
    ttl: float | None, server: RedisServer, key_prefix: str
) -> None:
    """With the first call that finds that its hash is gone."""
    async with opened(server, key_prefix, ttl=ttl) as (store, tag):
        await fill(store)
        server.say("DEL", f"{tag}:s:a")
        await store.create_session(session("a"))
        assert raw(server, "EXISTS", f"{tag}:i:a") == 0
        assert await numbers(store) == []


async def test_an_index_expires_with_its_session(server: RedisServer, key_prefix: str) -> None:
    """Each write moves the moment of all three keys; the server frees them at one."""
    async with opened(server, key_prefix, ttl=3600) as (store, tag):
        await fill(store)
        moments: list[int] = []
        for write in (
            lambda: store.touch_session("a"),
            lambda: store.add_frame(framed(1, None)),
            lambda: store.trim_frames("a", up_to=1),
            lambda: store.add_frames("a", [framed(1, "x")], change=_closed),
        ):
            await asyncio.sleep(0.002)
            await write()
            keys = [f"{tag}:{part}:a" for part in ("s", "l", "i")]
            (moment,) = {raw(server, "PEXPIRETIME", key) for key in keys}
            moments.append(moment)
        assert moments == sorted({*moments})
    for ttl in (0.05, 0.5, 5.0, 50.0):  # a busy machine needs a longer one
        async with opened(server, key_prefix, ttl=ttl) as (store, tag):
            with suppress(SessionNotFound):
                await store.create_session(session("a"))
                await store.add_frame(framed(1, "x"))
                until_gone(server, tag[1:].removesuffix(":0}"), "i:a")
                return
    pytest.fail("its session was gone before it was filled")


async def test_a_key_of_another_type_fails_only_what_needs_it(
    server: RedisServer, key_prefix: str
) -> None:
    """Nothing is written by a call that finds it; frames without a stream are as ever."""
    async with opened(server, key_prefix) as (store, tag):
        await fill(store)
        server.say("DEL", f"{tag}:i:a")
        server.say("SET", f"{tag}:i:a", "foreign")
        before = await store.get_session("a")
        for refused in (
            store.add_frame(framed(7, "x")),
            store.add_frames("a", [framed(7, "x")], change=_closed),
            store.read_frames("a", stream="x"),
            store.count_frames("a", stream="x"),
            store.trim_frames("a", up_to=3),
            store.delete_frames("a"),
            store.delete_session("a"),
        ):
            with pytest.raises(StoreUnavailable, match=WRONG_TYPE):
                await refused
        assert await store.get_session("a") == before
        assert len(await store.read_frames("a")) == 6
        assert await store.add_frame(framed(7, None)) == 7
        await add_up(store)


async def test_the_documented_rights_are_enough(server: RedisServer, key_prefix: str) -> None:
    """No command is added to them."""
    prefix = f"{key_prefix[:-1]}-few"
    async with RedisSessionStore(few(server, prefix), prefix=prefix) as store:
        await fill(store)
        assert await numbers(store) == [1, 3, 5]
        await store.trim_frames("a", up_to=2)
        await store.delete_session("a")


@pytest.mark.parametrize("known", [True, False], ids=["an index", "no index yet"])
async def test_a_moving_slot_tears_nothing(known: bool, cluster: Cluster, key_prefix: str) -> None:
    """Calls on an index wait until the slot has arrived; none is half done, none has an error."""
    name = key_prefix[:-1]
    url = cluster.url.replace("redis://", "redis+cluster://")
    async with RedisSessionStore(url, prefix=name, buckets=1, patience=30.0) as store:
        await store.create_session(session("a", principal="alice"))
        await store.add_frames("a", [framed(n, "x" if known else None) for n in range(4)])
        await store.create_session(session("ended"))
        await store.modify_session("ended", _closed)
        bucket = Keys(name, 1).buckets[0]
        slot = cluster.slot_of(bucket.meta)
        source = cluster.primary_of(slot)
        source.say("XADD", bucket.changes, "*", "s", "a")
        target = next(node for node in cluster.primaries() if node is not source)
        move = cluster.move(slot, target)
        await asyncio.to_thread(move.begin)
        if known:  # only the index has moved
            there = ("127.0.0.1", target.port, "", 0, 20_000)
            source.say("MIGRATE", *there, "KEYS", f"{bucket.tag}:i:a")
        begun = scripts(source) + scripts(target)
        adding = asyncio.ensure_future(store.add_frame(framed(5, "x")))

        def is_refused() -> bool:
            return scripts(source) + scripts(target) > begun + 3

        await asyncio.to_thread(until, is_refused, "it is refused")
        assert not adding.done()
        while await asyncio.to_thread(move.keys, 100):
            pass
        await asyncio.to_thread(move.finish)
        assert await adding == 5
        assert await numbers(store) == ([*range(1, 6)] if known else [5])
        await add_up(store)


def scripts(node: RedisServer) -> int:
    """The number of scripts that a node has begun, or refused to begin."""
    stats: Any = node.say("INFO", "commandstats")
    of_scripts = stats.get("cmdstat_evalsha", {"calls": 0, "rejected_calls": 0})
    return int(of_scripts["calls"]) + int(of_scripts["rejected_calls"])
