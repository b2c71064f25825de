"""A refused write has no effect, not even in part; the counters add up afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import pytest
import redis
from redis_fleet import Fleet
from redis_operations import WRITES, Write, add_up, fill, note, picture, session
from redis_proxy import FaultProxy, proxied
from redis_server import RedisServer, until
from sessionkeeper import (
    FramesFull,
    LimitExceeded,
    RedisSessionStore,
    SessionsFull,
    StoreLimits,
    StoreUnavailable,
)

ONE_KEY_EACH = ("meta", "order", "idle", "ages", "ended", "principals", "s:a", "l:a", "w:*")


@asynccontextmanager
async def opened(url: str, prefix: str, **options: Any) -> AsyncIterator[RedisSessionStore]:
    """A filled store."""
    async with RedisSessionStore(url, prefix=prefix.rstrip(":"), **options) as store:
        await fill(store)
        yield store


@contextmanager
def taken(server: RedisServer, key: str) -> Iterator[None]:
    """Put a value of another type under a key of the store while the block runs."""
    with server.client() as client:
        is_status: Any = client
        (name,) = is_status.keys(key)
        is_status.rename(name, "aside")
        is_status.set(name, "not ours")
        try:
            yield
        finally:
            is_status.rename("aside", name)


async def refused(store: RedisSessionStore, write: Write, reason: str) -> bool:
    """Try a write; whether it was refused, for this reason."""
    answer: object
    try:
        answer = await write(store)
    except StoreUnavailable as error:
        answer = error.reason
    return isinstance(answer, str) and reason in answer


@pytest.mark.parametrize("engine", ["redis"], indirect=True)
@pytest.mark.parametrize("key", ONE_KEY_EACH)
async def test_a_key_of_another_type_is_refused_without_effect(
    key: str, server: RedisServer, key_prefix: str
) -> None:
    """WRONGTYPE: scripts look before they write. What does not need the key is done, whole."""
    refusals = 0
    prefixes = (f"{key_prefix[:-1]}-{n}" for n in range(100))
    writes = dict(WRITES)
    while writes:
        prefix = next(prefixes)
        async with opened(server.url, prefix) as store:
            # So that the change feed is written as well.
            server.say("HSET", f"{{{prefix}:0}}:meta", "watched", 2**52)
            before = await picture(store)
            no = True
            while no and writes:
                name, write = writes.popitem()
                with taken(server, f"{{{prefix}:0}}:{key}"):
                    no = await refused(store, write, "WRONGTYPE")
                refusals += no
                together = name == "add_frame, twenty at once"  # of which some are of another log
                assert not no or together or await picture(store) == before, name
                no = no and not together
            await add_up(store)
            assert await store.add_frame(note(9, "b")) > 2
    assert refusals > 0


async def test_an_append_that_fails_does_not_affect_others_of_its_call(
    server: RedisServer, key_prefix: str
) -> None:
    """Each is an operation of its own: told that it had no effect, or its number."""
    for key in ("s:b", "l:b"):
        prefix = f"{key_prefix[:-1]}-{key[0]}"
        async with opened(server.url, prefix) as store:
            with taken(server, f"{{{prefix}:0}}:{key}"):
                told = await asyncio.gather(
                    *(store.add_frame(note(n, "ab"[n % 2])) for n in range(8)),
                    return_exceptions=True,
                )
            assert told[::2] == [4, 5, 6, 7]
            assert {type(each) for each in told[1::2]} == {StoreUnavailable}
            assert await store.count_frames("b") == 2
            await add_up(store)


async def test_a_full_server_refuses_writes_and_nothing_is_half_done(fleet: Fleet) -> None:
    """OOM: reading and what makes room go on; when there is room again, so does the rest."""
    server = fleet.start(maxmemory_policy="noeviction")
    refusals: set[str] = set()
    for n, (name, write) in enumerate(WRITES.items()):
        async with opened(server.url, f"p{n}") as store:
            before = await picture(store)
            server.configure("maxmemory", 1)
            if await refused(store, write, "maxmemory"):
                refusals.add(name)
                assert await picture(store) == before, name
            await add_up(store)
            server.configure("maxmemory", 0)
            assert await store.add_frame(note(9, "b")) > 2
    makes_room = {"delete_session", "delete_frames", "trim_frames", "remove_frames"}
    # What has expired can be purged.
    assert refusals == WRITES.keys() - makes_room - {"purge_sessions", "expire_sessions"}


async def test_reading_goes_on_beside_writes_that_a_full_server_refuses(fleet: Fleet) -> None:
    """In one batch, and although the writer could not even begin."""
    server = fleet.start(maxmemory_policy="noeviction")
    async with opened(server.url, "p"):
        pass
    async with RedisSessionStore(server.url, prefix="p") as store:
        server.configure("maxmemory", 1)
        added, count = await asyncio.gather(
            store.add_frame(note(9)), store.count_frames("a"), return_exceptions=True
        )
        assert isinstance(added, StoreUnavailable)
        assert count == 3


@pytest.mark.parametrize("engine", ["redis"], indirect=True)
async def test_a_server_busy_with_anothers_script_is_waited_for(
    fleet: Fleet,
) -> None:
    """BUSY, until somebody says SCRIPT KILL: then all is done, once."""
    server = fleet.start(busy_reply_threshold=1)
    async with proxied(server.port) as proxy, opened(proxy.url, "p", patience=20.0) as store:

        def endless() -> None:
            with pytest.raises(redis.ResponseError, match="killed"):
                server.say("EVAL", "while true do end", 0)

        running = asyncio.create_task(asyncio.to_thread(endless))
        busy = proxy.replies.delay(0.0, "EVALSHA")
        waiting = asyncio.ensure_future(store.add_frame(note(7)))
        while not any(unit.data.startswith(b"-BUSY") for unit in busy.units):
            if waiting.done():  # it was quicker than the script
                waiting = asyncio.ensure_future(store.add_frame(note(7)))
            await asyncio.sleep(0)
        assert not waiting.done()
        await asyncio.to_thread(server.say, "SCRIPT", "KILL")
        await running
        seq = await waiting
        assert seq == await store.count_frames("a")
        await add_up(store)


async def test_a_server_whose_snapshot_failed_refuses_writes_without_effect(fleet: Fleet) -> None:
    """`MISCONF` comes at a script's first write or never; reads go on."""
    server = fleet.start(save="3600 1")
    async with opened(server.url, "p:") as store:
        before = await picture(store)
        (server.folder / "dump.rdb").mkdir()  # where the file would be put
        server.say("BGSAVE")
        failed = partial(server.info, "rdb_last_bgsave_status")
        await asyncio.to_thread(until, lambda: failed() == "err", "the snapshot failed")
        for name, write in WRITES.items():
            assert await refused(store, write, "MISCONF"), name
        assert await picture(store) == before


async def test_evictions_and_drops_are_counted_once_whatever_is_lost(
    server: RedisServer, proxy: FaultProxy, key_prefix: str
) -> None:
    """Making room is part of the step: limits hold, and the numbers add up."""
    limits = StoreLimits(
        max_sessions=4,
        max_frames_per_session=3,
        sessions_full=SessionsFull.EVICT_IDLE,
        frames_full=FramesFull.DROP_OLDEST,
    )
    async with opened(proxy.url, key_prefix, limits=limits) as store:
        for n in range(12):
            proxy.replies.cut("EVALSHA", at=n % 5)
            await store.create_session(session(f"n{n}"))
            proxy.replies.cut("EVALSHA", at=n % 4)
            await store.add_frames(f"n{n}", [note(k, f"n{n}") for k in range(3)])
            proxy.requests.cut("EVALSHA", at=n * 20)
            assert await store.add_frame(note("more", f"n{n}")) == 4
            with pytest.raises(LimitExceeded):
                await store.add_frames(f"n{n}", [note(k, f"n{n}") for k in range(4)])
        now = await add_up(store)
        assert now.counters.created == 16
        assert now.counters.evicted == 12
        assert now.counters.frames_dropped == 12
