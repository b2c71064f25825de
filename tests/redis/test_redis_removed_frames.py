"""Removed frames on a server: the set beside the log follows it, and a loss is no removal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
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
    FramesFull,
    MessageEnvelope,
    MessageKind,
    RedisSessionStore,
    Session,
    SessionNotFound,
    SessionsFull,
    SessionState,
    StoreLimits,
    StoreUnavailable,
)
from sessionkeeper.backends.redis import layout
from sessionkeeper.backends.redis.keys import Keys

from tests.support.stream_programs import framed

_NUMBERS = count()


@asynccontextmanager
async def opened(
    server: RedisServer, prefix: str, **options: Any
) -> AsyncIterator[tuple[RedisSessionStore, str]]:
    """A store, and what its keys begin with."""
    name = f"{prefix[:-1]}-{next(_NUMBERS)}"
    async with RedisSessionStore(server.url, prefix=name, **options) as store:
        yield store, f"{{{name}:0}}"


async def fill(store: RedisSessionStore, frames: int = 6, id: str = "a") -> list[MessageEnvelope]:
    """A session with frames of a stream and of none in turn; return them."""
    await store.create_session(session(id, principal="alice"))
    sent = [framed(n, (None, "x")[n % 2], id) for n in range(frames)]
    await store.add_frames(id, sent)
    return sent


async def shown(store: RedisSessionStore, id: str = "a") -> list[tuple[int, bool]]:
    """The numbers of a log, and whether the frame was removed."""
    frames = await store.read_frames(id)
    return [(frame.seq, frame.envelope.kind is MessageKind.REMOVED) for frame in frames]


def _closed(now: Session) -> Session:
    return now.model_copy(update={"state": SessionState.CLOSED})


async def test_the_content_is_on_the_server_no_more(server: RedisServer, key_prefix: str) -> None:
    """No key of the store has a part of it."""
    async with opened(server, key_prefix) as (store, tag):
        sent = await fill(store)
        secret = MessageEnvelope.of(
            "a",
            {"jsonrpc": "2.0", "method": "s3cr3t"},
            direction="server-to-client",
            metadata={"also": "s3cr3t"},
            stream="x",
        )
        await store.add_frame(secret)
        assert await store.remove_frames("a", [7, 2]) == 2
        assert raw(server, "ZCARD", f"{tag}:r:a") == 2
        for key, command in (("l", ("XRANGE", "-", "+")), ("r", ("ZRANGE", 0, -1))):
            name, *bounds = command
            assert b"s3cr3t" not in repr(raw(server, name, f"{tag}:{key}:a", *bounds)).encode()
        frames = await store.get_frames("a")
        assert frames[-1] == secret.as_removed()
        assert frames[:-1] == [sent[0], sent[1].as_removed(), *sent[2:]]
        await add_up(store)


@pytest.mark.parametrize("year", [1, 1969, 1970, 2026, 9999])
async def test_times_and_streams_stay_as_they_were(
    year: int, server: RedisServer, key_prefix: str
) -> None:
    """To the microsecond in every year, with any text for a stream, and any detail before."""
    moment = datetime(year, 12, 31, 23, 59, 59, 999_999, UTC)
    async with opened(server, key_prefix) as (store, _):
        await store.create_session(session("a"))
        sent = [
            MessageEnvelope.of(
                "a", message, direction=way, timestamp=moment, stream=stream, metadata=metadata
            )
            for message in (b'{"jsonrpc":"2.0","method":"x"}', b"noise", b"")
            for way in ("client-to-server", "server-to-client")
            for stream in (None, "x", "é" * 127, "\0:1:2\n", "y" * 255)
            for metadata in ({}, {"n": "1" * 300})
        ]
        await store.add_frames("a", sent)
        assert await store.remove_frames("a", range(1, len(sent) + 1)) == len(sent)
        assert await store.get_frames("a") == [each.as_removed() for each in sent]
        for stream in ("x", "é" * 127, "\0:1:2\n", "y" * 255):
            assert len(await store.read_frames("a", stream=stream)) == 12


@pytest.mark.parametrize("removal", ["delete", "purge", "evict", "put", "clear", "trim"])
async def test_the_set_goes_with_its_frames(
    removal: str, server: RedisServer, key_prefix: str
) -> None:
    """Whatever removes them; a later session of the id begins without."""
    limits = StoreLimits(max_sessions=2, sessions_full=SessionsFull.EVICT_IDLE)
    async with opened(server, key_prefix, limits=limits) as (store, tag):
        await fill(store)
        await store.remove_frames("a", [1, 2, 6])
        assert raw(server, "ZCARD", f"{tag}:r:a") == 3
        match removal:
            case "delete":
                await store.delete_session("a")
            case "purge":
                await store.modify_session("a", _closed)
                await store.purge_sessions(ended_for=0)
            case "evict":
                await store.create_session(session("b"))
                await store.create_session(session("c"))
            case "put":
                await store.modify_session("a", _closed)
                await store.put_session(session("a"))
            case "clear":
                await store.delete_frames("a")
            case _:
                await store.trim_frames("a", up_to=1)
                assert await shown(store) == [(n, n in (2, 6)) for n in range(2, 7)]
                assert raw(server, "ZCARD", f"{tag}:r:a") == 2
                await store.trim_frames("a", up_to=6)
        assert raw(server, "EXISTS", f"{tag}:r:a") == 0
        assert raw(server, "HEXISTS", f"{tag}:s:a", "v") == 0
        if removal in ("delete", "purge", "evict"):
            await store.create_session(session("a"))
        seq = await store.add_frame(framed(9, None))
        assert await shown(store) == [(seq, False)]
        await add_up(store)


@pytest.mark.parametrize("engine", ["redis", "valkey"], indirect=True)
@pytest.mark.parametrize("ttl", [None, 3600], ids=["without a ttl", "with a ttl"])
async def test_a_log_without_a_byte_can_be_shortened(
    ttl: float | None, server: RedisServer, key_prefix: str
) -> None:
    """Of removed frames, and of frames that were empty: trimmed, cleared, deleted, dropped."""
    limits = StoreLimits(max_frames_per_session=6, frames_full=FramesFull.DROP_OLDEST)
    async with opened(server, key_prefix, limits=limits, ttl=ttl) as (store, _):
        empty = [MessageEnvelope.of("a", b"", direction="client-to-server")] * 3
        for shorten in (
            lambda: store.trim_frames("a", up_to=2),
            lambda: store.delete_frames("a"),
            lambda: store.add_frames("a", [framed(9, None)] * 2, change=_closed),
            lambda: store.add_frames("a", empty),
        ):
            await fill(store, 3)
            await store.remove_frames("a", range(1, 4))
            await store.add_frames("a", empty)
            assert await store.remove_frames("a", [5]) == 1
            await shorten()
            await add_up(store)
            await store.delete_session("a")
            assert (await add_up(store)).bytes == 0


async def test_a_log_without_removed_frames_adds_no_command(fleet: Fleet, key_prefix: str) -> None:
    """Neither to appends, reads and trims of the log, nor a key or a field."""
    server = fleet.start()
    async with opened(server, key_prefix) as (store, tag):
        await store.create_session(session("a"))
        server.say("CONFIG", "RESETSTAT")
        await store.add_frames("a", [framed(n, None) for n in range(6)])
        await store.trim_frames("a", up_to=2)
        await store.read_frames("a")
        await store.delete_frames("a")
        stats: Any = server.say("INFO", "commandstats")
        assert not {"cmdstat_zrangebyscore", "cmdstat_zremrangebyscore", "cmdstat_xdel"} & {*stats}
        assert stats["cmdstat_zcard"]["calls"] == 1 + 2 * 4  # as ever
        assert raw(server, "EXISTS", f"{tag}:r:a") == 0
        assert raw(server, "HEXISTS", f"{tag}:s:a", "v") == 0


async def test_dropping_the_oldest_counts_what_is_left(
    server: RedisServer, key_prefix: str
) -> None:
    """In bytes and in frames, also where hundreds in a row were removed, and with streams."""
    size = len(framed(100, None).message)
    limits = StoreLimits(
        max_frames_per_session=400, max_session_bytes=300 * size, frames_full=FramesFull.DROP_OLDEST
    )
    async with opened(server, key_prefix, limits=limits) as (store, tag):
        await store.create_session(session("a"))
        await store.add_frames("a", [framed(n, "x") for n in range(100, 400)])
        await store.remove_frames("a", [*range(2, 150), *range(151, 280, 2)])
        await add_up(store)
        await store.add_frames("a", [framed(n, None) for n in range(100, 200)])
        assert (await shown(store))[0][0] == 1, "there was room in bytes and in frames"
        await store.add_frame(framed(100, None))
        assert (await shown(store))[0] == (2, True)
        await store.add_frames("a", [framed(n, None) for n in range(100, 230)])
        now = await add_up(store)
        assert now.bytes <= 300 * size
        first, gone = (await shown(store))[0]
        assert (first, gone) == (151, True) or first > 151
        indexed = raw(server, "ZCARD", f"{tag}:i:a")
        assert indexed == await store.count_frames("a", stream="x") == 301 - first
        await store.add_frames("a", [framed(n, None) for n in range(100, 400)])
        assert raw(server, "EXISTS", f"{tag}:r:a") == raw(server, "EXISTS", f"{tag}:i:a") == 0
        await add_up(store)


async def test_a_lost_frame_is_no_removed_one(server: RedisServer, key_prefix: str) -> None:
    """It is left out with its number, and noted; what is before it goes at the next count."""
    async with opened(server, key_prefix) as (store, tag):
        await fill(store, 9)
        await store.remove_frames("a", [2, 7])
        server.say("XDEL", f"{tag}:l:a", "4-0")
        gone = {2, 7}
        assert await shown(store) == [(n, n in gone) for n in (1, 2, 3, 5, 6, 7, 8, 9)]
        assert [frame.seq for frame in await store.read_frames("a", after=3, limit=2)] == [5, 6]
        assert await store.remove_frames("a", [4]) == 0
        now = await add_up(store)
        assert (now.frames, await store.count_frames("a")) == (5, 5)
        assert await shown(store) == [(5, False), (6, False), (7, True), (8, False), (9, False)]
        assert await store.trim_frames("a", up_to=7) == 3
        assert await store.add_frame(framed(10, None)) == 10
        assert [seq for seq, _ in await shown(store)] == [8, 9, 10]
        await add_up(store)


@pytest.mark.parametrize("key", ["r", "l"])
async def test_a_lost_key_is_noticed(key: str, server: RedisServer, key_prefix: str) -> None:
    """Of the log, or of what is left of removed frames: the numbers stay, and the counts too."""
    async with opened(server, key_prefix) as (store, tag):
        await fill(store, 6)
        await store.remove_frames("a", [2, 4])
        server.say("DEL", f"{tag}:{key}:a")
        left = [1, 3, 5, 6] if key == "r" else [2, 4]
        assert [seq for seq, _ in await shown(store)] == left
        await add_up(store)
        assert [seq for seq, _ in await shown(store)] == ([5, 6] if key == "r" else [])
        assert await store.add_frame(framed(7, "x")) == 7
        assert await store.remove_frames("a", [7]) == 1
        assert (await shown(store))[-1] == (7, True)
        await add_up(store)


@pytest.mark.parametrize("ttl", [None, 3600], ids=["without a ttl", "with a ttl"])
async def test_the_set_of_a_lost_session_is_removed(
    ttl: float | None, server: RedisServer, key_prefix: str
) -> None:
    """With the first call that finds that its hash is gone; also where that was long ago."""
    async with opened(server, key_prefix, ttl=ttl) as (store, tag):
        await fill(store)
        await store.remove_frames("a", [2])
        server.say("COPY", f"{tag}:r:a", f"{tag}:kept")
        server.say("DEL", f"{tag}:s:a")
        await store.create_session(session("a"))
        assert raw(server, "EXISTS", f"{tag}:r:a") == 0
        server.say("RENAME", f"{tag}:kept", f"{tag}:r:a")
        await store.add_frames("a", [framed(n, None) for n in range(6)])
        assert await shown(store) == [(n, False) for n in range(1, 7)]
        await store.remove_frames("a", [5])
        assert await shown(store) == [(n, n == 5) for n in range(1, 7)]
        await add_up(store)


async def test_the_set_expires_with_its_session(server: RedisServer, key_prefix: str) -> None:
    """Each write moves the moment of all keys; the server frees them at one."""
    async with opened(server, key_prefix, ttl=3600) as (store, tag):
        await fill(store)
        moments: list[int] = []
        for write in (
            lambda: store.remove_frames("a", [2, 4]),
            lambda: store.touch_session("a"),
            lambda: store.add_frame(framed(1, None)),
            lambda: store.trim_frames("a", up_to=2),
            lambda: store.add_frames("a", [framed(1, None)], change=_closed),
        ):
            await asyncio.sleep(0.002)
            await write()
            keys = [f"{tag}:{part}:a" for part in ("s", "l", "r")]
            (moment,) = {raw(server, "PEXPIRETIME", key) for key in keys}
            moments.append(moment)
        assert moments == sorted({*moments})
    for ttl in (0.05, 0.5, 5.0, 50.0):  # a busy machine needs a longer one
        async with opened(server, key_prefix, ttl=ttl) as (store, tag):
            with suppress(SessionNotFound):
                await fill(store)
                await store.remove_frames("a", [1])
                until_gone(server, tag[1:].removesuffix(":0}"), "r:a")
                return
    pytest.fail("its session was gone before it was filled")


async def test_a_key_of_another_type_fails_only_what_needs_it(
    server: RedisServer, key_prefix: str
) -> None:
    """Nothing is written by a call that finds it."""
    async with opened(server, key_prefix) as (store, tag):
        await fill(store)
        await store.remove_frames("a", [2])
        server.say("RENAME", f"{tag}:r:a", f"{tag}:kept")
        server.say("SET", f"{tag}:r:a", "foreign")
        before = await store.get_session("a")
        for refused in (
            store.remove_frames("a", [3]),
            store.read_frames("a"),
            store.trim_frames("a", up_to=3),
            store.delete_frames("a"),
            store.delete_session("a"),
        ):
            with pytest.raises(StoreUnavailable, match="holds something else"):
                await refused
        assert await store.get_session("a") == before
        assert await store.add_frame(framed(7, None)) == 7
        server.say("RENAME", f"{tag}:kept", f"{tag}:r:a")
        assert await shown(store) == [(n, n == 2) for n in range(1, 8)]
        await add_up(store)


async def test_the_first_removal_keeps_older_libraries_out(
    server: RedisServer, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would show wrong numbers. Until then the store is as they know it."""
    name = key_prefix[:-1]
    async with RedisSessionStore(server.url, prefix=name) as store:
        await fill(store)
        assert raw(server, "HGET", f"{{{name}:0}}:layout", "version") == b"1"
        await store.remove_frames("a", [1])
        assert raw(server, "HGET", f"{{{name}:0}}:layout", "version") == b"2"
    async with RedisSessionStore(server.url, prefix=name) as store:
        assert await shown(store) == [(n, n == 1) for n in range(1, 7)]
    monkeypatch.setattr(layout, "VERSION", 1)
    with pytest.raises(StoreUnavailable, match="newer than this library"):
        async with RedisSessionStore(server.url, prefix=name):
            pass


async def test_a_full_server_removes_content(fleet: Fleet) -> None:
    """Without room for anything else: what was removed makes room."""
    server = fleet.start()
    async with RedisSessionStore(server.url) as store:
        await store.create_session(session("a"))
        large = b'{"jsonrpc":"2.0","method":"x","params":["' + b"y" * 100_000 + b'"]}'
        sent = [MessageEnvelope.of("a", large, direction="server-to-client")] * 20
        await store.add_frames("a", sent)
        memory: Any = server.say("INFO", "memory")
        server.say("CONFIG", "SET", "maxmemory", memory["used_memory"] - 100_000)
        with pytest.raises(StoreUnavailable):
            await store.add_frame(sent[0])
        assert await store.remove_frames("a", range(2, 20)) == 18
        assert await store.add_frame(sent[0]) == 21
        await add_up(store)


async def test_the_documented_rights_are_enough(server: RedisServer, key_prefix: str) -> None:
    """For removing, reading, trimming and deleting."""
    prefix = f"{key_prefix[:-1]}-few"
    async with RedisSessionStore(few(server, prefix), prefix=prefix) as store:
        await fill(store)
        assert await store.remove_frames("a", [1, 3]) == 2
        assert await shown(store) == [(n, n in (1, 3)) for n in range(1, 7)]
        await store.trim_frames("a", up_to=2)
        await store.delete_session("a")


@pytest.mark.parametrize("known", [True, False], ids=["a set", "no set yet"])
async def test_a_moving_slot_tears_nothing(known: bool, cluster: Cluster, key_prefix: str) -> None:
    """Removals wait until the slot has arrived; none is half done, none has an error."""
    name = key_prefix[:-1]
    url = cluster.url.replace("redis://", "redis+cluster://")
    async with RedisSessionStore(url, prefix=name, buckets=1, patience=30.0) as store:
        await fill(store, 4)
        if known:
            await store.remove_frames("a", [1])
        await store.create_session(session("ended"))
        await store.modify_session("ended", _closed)
        bucket = Keys(name, 1).buckets[0]
        slot = cluster.slot_of(bucket.meta)
        source = cluster.primary_of(slot)
        source.say("XADD", bucket.changes, "*", "s", "a")
        target = next(node for node in cluster.primaries() if node is not source)
        move = cluster.move(slot, target)
        await asyncio.to_thread(move.begin)
        if known:  # only the set has moved
            there = ("127.0.0.1", target.port, "", 0, 20_000)
            source.say("MIGRATE", *there, "KEYS", f"{bucket.tag}:r:a")
        begun = scripts(source) + scripts(target)
        removing = asyncio.ensure_future(store.remove_frames("a", [3]))
        reading = asyncio.ensure_future(store.read_frames("a"))

        def is_refused() -> bool:
            return scripts(source) + scripts(target) > begun + 4

        await asyncio.to_thread(until, is_refused, "it is refused")
        assert not removing.done()
        while await asyncio.to_thread(move.keys, 100):
            pass
        await asyncio.to_thread(move.finish)
        assert await removing == 1
        assert [frame.seq for frame in await reading] == [1, 2, 3, 4]
        assert await shown(store) == [(n, n == 3 or (known and n == 1)) for n in range(1, 5)]
        await add_up(store)


def scripts(node: RedisServer) -> int:
    """The number of scripts that a node has begun, or refused to begin."""
    stats: Any = node.say("INFO", "commandstats")
    of_scripts = stats.get("cmdstat_evalsha", {"calls": 0, "rejected_calls": 0})
    return int(of_scripts["calls"]) + int(of_scripts["rejected_calls"])
