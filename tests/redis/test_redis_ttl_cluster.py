"""On a cluster, a session whose slot moves does not count as expired."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from redis_cluster import Cluster
from redis_operations import add_up, fill, note
from redis_server import RedisServer, until
from sessionkeeper import RedisSessionStore, SessionNotFound, SessionQuery
from sessionkeeper.backends.redis.keys import Keys

LONG = 3600.0


def url_of(cluster: Cluster) -> str:
    return cluster.url.replace("redis://", "redis+cluster://")


def ran(node: RedisServer) -> int:
    """The number of scripts that a node ran."""
    stats = node.say("INFO", "commandstats")
    return int(stats.get("cmdstat_evalsha", {"calls": 0})["calls"])


@pytest.mark.parametrize("ttl", [None, LONG], ids=["without a ttl", "with a ttl"])
@pytest.mark.parametrize("engine", ["redis"], indirect=True)
async def test_a_session_that_has_not_moved_yet_is_not_taken_for_lost(
    ttl: float | None, cluster: Cluster, key_prefix: str
) -> None:
    """Although all that every script names is at the other end already: it waits for the rest."""
    name = key_prefix[:-1]
    async with RedisSessionStore(url_of(cluster), prefix=name, buckets=1, ttl=ttl) as store:
        await fill(store)
        before = await add_up(store)
        bucket = Keys(name, 1).buckets[0]
        slot = cluster.slot_of(bucket.meta)
        source = cluster.primary_of(slot)
        source.say("XADD", bucket.changes, "*", "s", "a")
        target = next(node for node in cluster.primaries() if node is not source)
        move = cluster.move(slot, target)
        await asyncio.to_thread(move.begin)
        keys: list[Any] = source.say("CLUSTER", "GETKEYSINSLOT", slot, 1000)
        last = {bucket.session + each for each in ("a", "ended")}
        there = ("127.0.0.1", target.port, "", 0, 20_000)
        source.say("MIGRATE", *there, "KEYS", *(key for key in keys if key not in last))
        listing = asyncio.ensure_future(store.list_sessions())
        finding = asyncio.ensure_future(store.find_sessions(SessionQuery()))
        expiring = asyncio.ensure_future(store.expire_sessions(idle=1000.0))
        adding = asyncio.ensure_future(store.add_frame(note(9, "b")))
        before_it = ran(target)
        await asyncio.to_thread(until, lambda: ran(target) > before_it + 3, "they are refused")
        assert not listing.done()
        while await asyncio.to_thread(move.keys, 100):
            pass
        await asyncio.to_thread(move.finish)
        assert len(await listing) == len((await finding).sessions) == 4
        assert (await expiring, await adding) == ([], 3)
        now = await add_up(store)
        assert now.counters.purged == before.counters.purged == 0
        assert now.counters.frames_added == before.counters.frames_added + 1


@pytest.mark.parametrize("engine", ["valkey"], indirect=True)
async def test_sessions_of_many_buckets_are_gone_as_those_of_one(
    cluster: Cluster, key_prefix: str
) -> None:
    """Each bucket takes its own; counters of all add up."""
    for ttl in (3, 30, 300):  # a busy machine needs a longer one
        name = f"{key_prefix[:-1]}-{ttl}"
        store = RedisSessionStore(url_of(cluster), prefix=name, buckets=6, ttl=ttl)
        with suppress(SessionNotFound):
            await fill(await store.open())
            break
        await store.aclose()
    async with store:
        while await store.count_sessions():
            await asyncio.sleep(0)
        now = await add_up(store)
        assert (now.counters.created, now.counters.purged, now.frames) == (4, 4, 0)
        assert await store.for_principal("alice").count_sessions() == 0
