"""A store with a ttl: the server frees what nobody sweeps any more, and every number stays true."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any

import pytest
from pydantic import SecretStr
from redis_fleet import Fleet
from redis_net import counts_who_is_there, net_holds, nothing_left, until_gone
from redis_operations import WRITES, add_up, fill, note, session
from redis_server import RedisServer
from sessionkeeper import (
    Clock,
    LimitExceeded,
    RedisBackend,
    RedisSessionStore,
    ServerStatistics,
    SessionNotFound,
    SessionQuery,
    SessionsFull,
    StorageFactory,
    StoreLimits,
    StoreUnavailable,
)
from sessionkeeper.backends.redis.client.call import Script
from sessionkeeper.backends.redis.delivery import writer_log
from sessionkeeper.backends.redis.plans import append, statistics
from sessionkeeper.backends.redis.scripts import with_ttl

LONG = 3600.0
_NUMBERS = count()


@asynccontextmanager
async def opened(
    server: RedisServer, prefix: str, **options: Any
) -> AsyncIterator[tuple[RedisSessionStore, str]]:
    name = f"{prefix[:-1]}-{next(_NUMBERS)}"
    async with RedisSessionStore(server.url, prefix=name, **options) as store:
        yield store, name


@asynccontextmanager
async def filled(
    server: RedisServer, prefix: str
) -> AsyncIterator[tuple[RedisSessionStore, str, float]]:
    """Filled before anything of it is gone, with a short ttl; a busy machine needs a longer one."""
    ttl = 0.05
    while True:
        async with opened(server, prefix, ttl=ttl) as (store, name):
            with suppress(SessionNotFound):
                await fill(store)
                yield store, name, ttl
                return
        ttl *= 2


async def staggered(store: RedisSessionStore, ids: list[str], pause: float = 0.002) -> None:
    """Sessions, each written to a little later than the one before."""
    for each in ids:
        await store.create_session(session(each, principal="alice"))
        with suppress(SessionNotFound):
            await store.add_frames(each, [note(0, each), note(1, each)])
        await asyncio.sleep(pause)


async def test_a_session_is_gone_everywhere_at_one_moment(
    server: RedisServer, key_prefix: str
) -> None:
    """While they expire one by one, counts and listings agree with the server."""
    async with opened(server, key_prefix, ttl=0.1) as (store, name):
        seen: set[int] = set()
        rounds = 0
        while len(seen) < 2:  # until it was observed in the midst
            rounds += 1
            ids = [f"s{n}" for n in range(20)]
            await staggered(store, ids, 0.002 * rounds)
            while left := await counts_who_is_there(store, server, name, ids):
                seen.add(left)
        with pytest.raises(SessionNotFound):
            await store.add_frame(note(2, "s0"))
        now = await add_up(store)
        assert now.counters.purged == now.counters.created == 20 * rounds
        nothing_left(server, name)


async def test_a_store_that_does_not_expire_is_detected(
    server: RedisServer, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail."""
    monkeypatch.setattr(writer_log, "with_ttl", _without_expiry)
    async with opened(server, key_prefix, ttl=0.05) as (store, name):
        await staggered(store, ["s0", "s1"])
        until_gone(server, name, "s:s0")
        with pytest.raises(AssertionError):
            await counts_who_is_there(store, server, name, ["s0", "s1"])


def _without_expiry(plain: Script, milliseconds: int) -> Script:
    text = with_ttl(plain, milliseconds).text
    broken = text.replace(b"if expire_due() then return MORE end", b"")
    return Script(plain.name, lambda: broken, shared=plain.shared)


@pytest.mark.parametrize("name", WRITES)
async def test_every_write_moves_the_moment(
    name: str, server: RedisServer, key_prefix: str
) -> None:
    """Of hash and log alike, and what is to be known of the session then is kept with it."""
    async with opened(server, key_prefix, ttl=LONG) as (store, prefix):
        await fill(store)
        tag = f"{{{prefix}:0}}"
        written = {"put_session": "new", "put_session of an ended one": "ended"}.get(name, "a")
        server.say("PEXPIRE", f"{tag}:s:{written}", 50_000)
        await store.touch_session("b")
        assert server.say("PTTL", f"{tag}:s:{written}") <= 50_000
        await WRITES[name](store)
        if name not in ("create_session", "get_or_create_session", "purge_sessions"):
            left = server.say("PTTL", f"{tag}:s:{written}")
            assert left == -2 if name == "delete_session" else left > 3_500_000
        else:
            await store.touch_session("a")
        net_holds(server, prefix)
        await add_up(store)


async def test_when_all_processes_are_gone_the_server_frees_all(
    server: RedisServer, key_prefix: str
) -> None:
    """A store opened next without a ttl finds counters that add up."""
    async with filled(server, key_prefix) as (_, name, ttl):
        pass
    until_gone(server, name, "[sl]:*")
    async with RedisSessionStore(server.url, prefix=name) as store:
        assert await store.count_sessions() == 0
        now = await add_up(store)
        assert (now.counters.created, now.counters.purged, now.frames) == (4, 4, 0)
        assert now.server is not None
        assert now.server.ttl == ttl
        nothing_left(server, name)
        again = await store.create_session(session("a"))
        assert again.revision > 6  # those of before are not given again


@pytest.mark.parametrize("engine", ["redis"], indirect=True)
async def test_many_sessions_that_expire_together_are_removed_in_several_calls(
    server: RedisServer, key_prefix: str
) -> None:
    """At most 250 per step, because other calls run in between; a count waits for all."""
    async with opened(server, key_prefix, ttl=LONG, limits=StoreLimits(max_sessions=600)) as (
        store,
        name,
    ):
        for _ in range(3):
            ids = [f"s{next(_NUMBERS)}" for _ in range(200)]
            await asyncio.gather(*(store.create_session(session(each)) for each in ids))
        with pytest.raises(LimitExceeded):
            await store.create_session(session("new"))
        with server.client() as client:
            is_status: Any = client
            for each in is_status.zrange(f"{{{name}:0}}:order", 0, -1):
                is_status.delete(f"{{{name}:0}}:s:{each}")
                is_status.zadd(f"{{{name}:0}}:ttl", {each: 1})
        await store.create_session(session("new"))
        assert await store.count_sessions() == 1
        assert (await add_up(store)).counters.purged == 600


async def test_expired_sessions_free_their_slot_and_bytes(
    server: RedisServer, key_prefix: str
) -> None:
    """Limits count existing sessions, and no session is evicted for an expired one."""
    limits = StoreLimits(max_sessions=1, max_total_bytes=100, sessions_full=SessionsFull.EVICT_IDLE)
    async with opened(server, key_prefix, ttl=0.05, limits=limits) as (store, name):
        for each in ("a", "b", "c"):
            await store.create_session(session(each))
            with suppress(SessionNotFound):
                await store.add_frame(note(0, each))  # two do not fit in
            until_gone(server, name, f"s:{each}")
        now = await store.statistics()
        assert (now.counters.purged, now.counters.evicted) == (3, 0)


@pytest.mark.parametrize("alone", [False, True], ids=["told by another", "alone"])
async def test_a_watcher_ends_when_its_session_expires_on_the_server(
    alone: bool, server: RedisServer, key_prefix: str
) -> None:
    """From the next call that counts, or from the next read of its own feed."""
    # Within this time it is written to, and read by its watcher.
    async with opened(server, key_prefix, ttl=3.0) as (store, name):
        reader = store._runner.resources.wakeups._reader
        assert reader is not None
        if alone:
            reader._block = 0.05  # seconds its reader waits until it looks again
        await store.create_session(session("a"))
        heard: list[int] = []

        async def watch() -> None:
            async for frame in store.watch_frames("a"):
                heard.append(frame.seq)

        watching = asyncio.create_task(watch())
        await store.add_frame(note(0))
        if not alone:
            async with RedisSessionStore(server.url, prefix=name) as other:
                while await other.count_sessions():
                    await asyncio.sleep(0)
        async with asyncio.timeout(300):
            await watching
        assert heard == [1]


async def test_pages_and_sweeps_skip_expired_sessions(server: RedisServer, key_prefix: str) -> None:
    """Their entries are removed from the indexes."""
    for walk in ("find", "expire", "purge"):
        async with filled(server, key_prefix) as (store, name, _):
            until_gone(server, name, "s:*")
            if walk == "find":
                assert (await store.find_sessions(SessionQuery())).sessions == ()
            elif walk == "expire":
                assert await store.expire_sessions(idle=0) == []
            else:
                assert await store.purge_sessions(ended_for=0) == 0
            nothing_left(server, name)


async def test_the_ttl_is_decided_when_the_store_is_made(
    server: RedisServer, key_prefix: str
) -> None:
    """Another ttl is refused, and so is a clock; without a ttl the stored one is used."""
    async with opened(server, key_prefix, ttl=LONG) as (_, name):
        backend = RedisBackend(url=SecretStr(server.url), prefix=name, ttl=LONG)
        async with await StorageFactory.create(backend) as same:
            said = (await same.statistics()).server
            assert isinstance(said, ServerStatistics)
            assert said.ttl == LONG
        with pytest.raises(StoreUnavailable, match="a ttl of 3600 seconds"):
            await RedisSessionStore(server.url, prefix=name, ttl=1).open()
        with pytest.raises(ValueError, match="no clock"):
            await RedisSessionStore(server.url, prefix=name, clock=Clock()).open()
    async with opened(server, key_prefix) as (_, name):
        with pytest.raises(StoreUnavailable, match="no ttl"):
            await RedisSessionStore(server.url, prefix=name, ttl=1).open()
    with pytest.raises(ValueError, match="no clock"):
        RedisSessionStore(server.url, ttl=1, clock=Clock())
    for wrong in (0, -1, float("nan"), 1e12):
        with pytest.raises(ValueError, match="ttl"):
            RedisSessionStore(server.url, ttl=wrong)


async def test_a_server_that_may_drop_keys_with_a_ttl_is_refused(fleet: Fleet) -> None:
    """`volatile-*`: without a ttl no session is in danger."""
    server = fleet.start(maxmemory="100mb", maxmemory_policy="volatile-lru")
    async with RedisSessionStore(server.url, prefix="without"):
        pass
    with pytest.raises(StoreUnavailable, match="volatile-lru"):
        await RedisSessionStore(server.url, prefix="p", ttl=LONG).open()
    async with RedisSessionStore(server.url, prefix="p", ttl=LONG, allow_eviction=True) as store:
        await fill(store)


def test_without_a_ttl_nothing_of_it_is_in_a_script() -> None:
    """Without a ttl there is no cost."""
    for script in (append.APPEND, append.APPEND_CHANGE):
        assert not re.search(rb"ttl|TTL|EXPIR|expire_due\(|remove_lost\(", script.text)
        assert b"expire_due()" in with_ttl(script, 1).text
    assert with_ttl(statistics.COUNT, 1) is with_ttl(statistics.COUNT, 1)
