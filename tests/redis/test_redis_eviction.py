"""A server whose policy for a full memory is changed while a store is open."""

from __future__ import annotations

import asyncio
import logging

import pytest
from redis_cluster import Cluster
from redis_fleet import Fleet
from redis_operations import note, session
from sessionkeeper import RedisSessionStore, ServerStatistics, StoreUnavailable
from sessionkeeper.backends.redis.client import node

WARNING = "maxmemory-policy allkeys-lru may drop sessions when memory is full"


@pytest.fixture
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the policy read with each call."""
    monkeypatch.setattr(node, "_LOOK_INTERVAL", 0.0)


async def server_of(store: RedisSessionStore) -> ServerStatistics:
    """The server's part of the statistics."""
    told = (await store.statistics()).server
    assert isinstance(told, ServerStatistics)
    return told


async def until_noticed(store: RedisSessionStore, policy: str) -> None:
    """Work, without writing, until the store has seen the policy."""
    async with asyncio.timeout(300):
        while (await server_of(store)).eviction != policy:
            await store.count_sessions()


async def test_a_policy_that_drops_keys_is_noticed_and_writes_are_refused(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    """As at opening: it is logged once and reported, and the error says what to set."""
    caplog.set_level(logging.WARNING)
    server = fleet.start()
    async with RedisSessionStore(server.url) as store:
        await store.create_session(session("a"))
        server.configure("maxmemory", 100_000_000)
        server.configure("maxmemory-policy", "allkeys-lru")
        await until_noticed(store, "allkeys-lru")
        now = await server_of(store)
        assert (now.maxmemory, now.eviction) == (100_000_000, "allkeys-lru")
        assert WARNING in now.warnings
        assert caplog.text.count(WARNING) == 1
        for write in (store.add_frame(note(1)), store.create_session(session("b"))):
            with pytest.raises(StoreUnavailable) as refused:
                await write
            expected = f"{WARNING}; set noeviction, or allow_eviction=True"
            assert refused.value.reason == f"127.0.0.1:{server.port}: {expected}"
        assert await store.count_frames("a") == 0
        assert [each.id for each in await store.list_sessions()] == ["a"]
        server.configure("maxmemory-policy", "noeviction")
        # At once: a write looks first whether it is still so.
        assert await store.add_frame(note(1)) == 1
        now = await server_of(store)
        assert now.eviction == "noeviction"
        assert not [each for each in now.warnings if "policy" in each]
        assert caplog.text.count(WARNING) == 1


async def test_allowed_eviction_is_a_warning_and_not_refused(
    fleet: Fleet, look_often: None, caplog: pytest.LogCaptureFixture
) -> None:
    """As when a store is opened."""
    server = fleet.start()
    async with RedisSessionStore(server.url, allow_eviction=True) as store:
        await store.create_session(session("a"))
        server.configure("maxmemory", 100_000_000)
        server.configure("maxmemory-policy", "allkeys-lru")
        await until_noticed(store, "allkeys-lru")
        assert await store.add_frame(note(1)) == 1
        assert WARNING in (await server_of(store)).warnings
        assert caplog.text.count(WARNING) == 1


@pytest.mark.parametrize(
    ("policy", "ttl", "is_refused"),
    [
        ("volatile-lru", None, False),
        ("volatile-lru", 3600.0, True),
        ("noeviction", 3600.0, False),
    ],
)
async def test_which_policies_are_wrong_depends_on_the_ttl(
    policy: str, ttl: float | None, is_refused: bool, fleet: Fleet, look_often: None
) -> None:
    """`volatile-*` drops only keys with a ttl."""
    server = fleet.start()
    async with RedisSessionStore(server.url, ttl=ttl) as store:
        await store.create_session(session("a"))
        server.configure("maxmemory", 100_000_000)
        server.configure("maxmemory-policy", policy)
        while (await server_of(store)).maxmemory == 0:
            pass
        if is_refused:
            with pytest.raises(StoreUnavailable, match="maxmemory-policy volatile-lru"):
                await store.add_frame(note(1))
        else:
            assert await store.add_frame(note(1)) == 1


@pytest.mark.parametrize("engine", ["valkey"], indirect=True)
async def test_one_node_of_a_cluster_is_enough(
    cluster: Cluster, key_prefix: str, look_often: None
) -> None:
    """Writes to its sessions are refused, and those of the other nodes are not."""
    url = cluster.url.replace("redis://", "redis+cluster://")
    changed = cluster.primaries()[0]
    async with RedisSessionStore(url, prefix=key_prefix[:-1]) as store:
        ids = [f"s{n}" for n in range(30)]
        await asyncio.gather(*(store.create_session(session(each)) for each in ids))
        try:
            changed.configure("maxmemory", 100_000_000)
            changed.configure("maxmemory-policy", "allkeys-lru")
            await until_noticed(store, "allkeys-lru")
            written = await asyncio.gather(
                *(store.add_frame(note(1, each)) for each in ids), return_exceptions=True
            )
            refused = [each for each in written if isinstance(each, StoreUnavailable)]
            assert 0 < len(refused) < len(ids)
            assert len(refused) + written.count(1) == len(ids)
            assert all("allkeys-lru" in each.reason for each in refused)
        finally:
            changed.configure("maxmemory", 0)
            changed.configure("maxmemory-policy", "noeviction")
        for each, before in zip(ids, written, strict=True):
            assert await store.add_frame(note(2, each)) == (2 if before == 1 else 1)
