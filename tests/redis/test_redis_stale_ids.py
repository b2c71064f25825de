"""Ids in the indexes whose session is gone take no place in a sweep, and are removed by it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from itertools import count

import pytest
from redis_cluster import Cluster
from redis_net import raw
from redis_operations import add_up, note, session
from redis_server import RedisServer
from sessionkeeper import RedisSessionStore

_NUMBERS = count()
LIVE = ["x", "y", "z"]

Sweep = Callable[[RedisSessionStore], Awaitable[int]]


async def expire_idle(store: RedisSessionStore) -> int:
    return len(await store.expire_sessions(idle=0, limit=2))


async def expire_old(store: RedisSessionStore) -> int:
    return len(await store.expire_sessions(age=0, limit=2))


async def expire_at(store: RedisSessionStore) -> int:
    return len(await store.expire_sessions(limit=2))


async def expire_both(store: RedisSessionStore) -> int:
    return len(await store.expire_sessions(idle=0, age=0, limit=2))


async def purge(store: RedisSessionStore) -> int:
    return await store.purge_sessions(ended_for=0, limit=2)


SWEEPS: list[Sweep] = [expire_idle, expire_old, expire_at, expire_both, purge]


async def fill(store: RedisSessionStore, sweep: Sweep, gone: Sequence[str]) -> None:
    """Sessions that are due, those in `gone` before the others."""
    for ids, year in ((gone, 2020), (LIVE, 2021)):
        new = {} if sweep is not expire_at else {"expires_at": datetime(year, 1, 1, tzinfo=UTC)}
        await asyncio.gather(*(store.create_session(session(each, **new)) for each in ids))
        await asyncio.gather(*(store.add_frame(note(1, each)) for each in ids))
        if sweep is purge:
            while await store.expire_sessions(age=0, limit=1_000):
                pass


async def check_swept(
    store: RedisSessionStore, sweep: Sweep, gone: Sequence[str], entries: Callable[[], set[bytes]]
) -> None:
    """Every sweep does what its limit allows, though more ids than that are gone."""
    assert await sweep(store) == 2
    assert entries().isdisjoint(each.encode() for each in gone)
    assert await sweep(store) == 1
    assert await sweep(store) == 0
    assert (await store.statistics()).counters.purged == len(gone) + (3 if sweep is purge else 0)
    await add_up(store)


@pytest.mark.parametrize("ttl", [None, 3600], ids=["without a ttl", "with a ttl"])
@pytest.mark.parametrize(
    "number", [1, 250, *(pytest.param(n, marks=pytest.mark.long) for n in (249, 600))]
)
@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda sweep: sweep.__name__)
async def test_a_sweep_passes_ids_whose_session_is_gone(
    sweep: Sweep, number: int, ttl: float | None, server: RedisServer, key_prefix: str
) -> None:
    """Fewer and more of them than one step removes."""
    name = f"{key_prefix[:-1]}-{next(_NUMBERS)}"
    gone = [f"gone{n:03}" for n in range(number)]
    async with RedisSessionStore(server.url, prefix=name, ttl=ttl) as store:
        await fill(store, sweep, gone)
        server.say("DEL", *(f"{{{name}:0}}:s:{each}" for each in gone))

        def entries() -> set[bytes]:
            indexes = ("order", "idle", "ages", "ended", "expires")
            return {
                id_
                for index in indexes
                for id_ in raw(server, "ZRANGE", f"{{{name}:0}}:{index}", 0, -1)
            }

        await check_swept(store, sweep, gone, entries)


@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda sweep: sweep.__name__)
async def test_a_sweep_of_a_cluster_passes_them_too(
    sweep: Sweep, cluster: Cluster, key_prefix: str
) -> None:
    """In each bucket for itself."""
    name = f"{key_prefix[:-1]}-{next(_NUMBERS)}"
    url = cluster.url.replace("redis://", "redis+cluster://")
    gone = [f"gone{n:03}" for n in range(40)]
    async with RedisSessionStore(url, prefix=name, buckets=4) as store:
        await fill(store, sweep, gone)
        for bucket in range(4):
            tag = f"{{{name}:{bucket}}}"
            for each in gone:
                cluster.primary_of(cluster.slot_of(tag)).say("DEL", f"{tag}:s:{each}")

        def entries() -> set[bytes]:
            return {
                id_
                for bucket in range(4)
                for index in ("order", "idle", "ages", "ended", "expires")
                for id_ in raw(
                    cluster.primary_of(cluster.slot_of(f"{{{name}:{bucket}}}")),
                    "ZRANGE",
                    f"{{{name}:{bucket}}}:{index}",
                    0,
                    -1,
                )
            }

        assert await sweep(store) == 2
        while await sweep(store):
            pass
        assert entries().isdisjoint(each.encode() for each in gone)
        assert (await store.statistics()).counters.purged == 40 + (3 if sweep is purge else 0)


async def test_what_an_older_library_leaves_in_the_order_of_expiry_ends_no_session(
    server: RedisServer, key_prefix: str
) -> None:
    """It ended, moved or deleted sessions and did not know that order: the sessions decide."""
    past, name = datetime(2020, 1, 1, tzinfo=UTC), f"{key_prefix[:-1]}-{next(_NUMBERS)}"
    async with RedisSessionStore(server.url, prefix=name) as store:
        for key in ("due", "later", "never", "ended", "deleted"):
            moment = past if key == "due" else datetime(2200, 1, 1, tzinfo=UTC)
            await store.create_session(session(key, expires_at=moment))
        tag = f"{{{name}:0}}"
        server.say("HDEL", f"{tag}:s:never", "w")
        become_closed = session("x", state="closed").state
        await store.modify_session(
            "ended", lambda each: each.model_copy(update={"state": become_closed})
        )
        await store.delete_session("deleted")
        stale = ("later", "never", "ended", "deleted")
        server.say("ZADD", f"{tag}:expires", *(part for each in stale for part in ("1", each)))
        assert [each.id for each in await store.expire_sessions()] == ["due"]
        assert raw(server, "ZRANGE", f"{tag}:expires", 0, -1) == [b"later"]
        assert await store.expire_sessions() == []
        assert {each.id for each in await store.expire_sessions(idle=0)} == {"later", "never"}
        assert raw(server, "ZRANGE", f"{tag}:expires", 0, -1) == []
        await add_up(store)
