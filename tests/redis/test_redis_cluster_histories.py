"""A history on a cluster, while slots move and primaries are killed under it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random

import pytest
from redis_cluster import Cluster
from redis_operations import add_up
from redis_server import RedisServer, until
from redis_worker import one_thing, recording
from sessionkeeper import Atomicity, RedisSessionStore
from sessionkeeper.backends.redis.keys import Keys
from sessionlab import RecordingStore, SessionStoreModel, Verdict, check

CLIENTS = 8
BUCKETS = 6
SESSIONS = 24
PAUSE = 0.004
"""Seconds between two operations of a client: a failover takes seconds, a history has an end."""


class Clients:
    """They do this and that to sessions of all buckets until it is over."""

    def __init__(self, stores: Mapping[RecordingStore, Sequence[str]]) -> None:
        self.done = 0
        self._stores = [*stores.items()]
        self._over = False
        self._tasks = [asyncio.create_task(self._client(n)) for n in range(CLIENTS)]

    async def progress(self) -> None:
        """Wait until they have done some more."""
        wanted = self.done + 100
        while self.done < wanted:
            await asyncio.sleep(PAUSE)

    async def end(self) -> None:
        """Let them finish their calls."""
        self._over = True
        await asyncio.gather(*self._tasks)

    async def _client(self, number: int) -> None:
        dice, n = Random(number), 0
        while not self._over:
            n += 1
            store, ids = dice.choice(self._stores)
            await one_thing(store, dice, f"{number}-{n}", keys=ids, listing=False)
            self.done += 1
            await asyncio.sleep(PAUSE)


def reshard(cluster: Cluster, slot: int) -> None:
    """Move a slot to another primary, key by key, while it is used."""
    target = next(node for node in cluster.primaries() if node is not cluster.primary_of(slot))
    move = cluster.move(slot, target)
    move.begin()
    while move.keys(1):
        pass
    move.finish()


def kill(cluster: Cluster, primary: RedisServer) -> RedisServer:
    """Kill a primary at a moment when its replica has all it ever told anybody.

    An asynchronous failover may lose what was read before it was replicated: nobody promises that
    it does not (docs/guarantees.md), so that is not what is judged here.
    """
    replica = cluster.replica_of(primary)
    primary.pause(20_000, "WRITE")
    until(
        lambda: primary.info("master_repl_offset") == replica.info("slave_repl_offset"),
        "the replica has everything",
    )
    return cluster.kill(primary)


@pytest.mark.parametrize("engine", ["redis"], indirect=True)
async def test_a_history_survives_a_resharding_and_the_death_of_a_primary(
    cluster: Cluster, key_prefix: str
) -> None:
    """Acknowledged by a replica (`wait_replicas=1`), nothing is lost, doubled or out of order."""
    prefix = key_prefix[:-1]
    url = cluster.url.replace("redis://", "redis+cluster://") + "?socket_timeout=0.5"
    inner = RedisSessionStore(
        url,
        prefix=prefix,
        buckets=BUCKETS,
        patience=30.0,
        wait_replicas=1,
        wait_timeout=0.1,  # who has taken over has no replica: those writes are `OutcomeUnknown`
    )
    keys = Keys(prefix, BUCKETS)
    slots = [cluster.slot_of(bucket.meta) for bucket in keys.buckets]
    # Each bucket has an order, and revisions, of its own.
    ids = [f"s{n}" for n in range(SESSIONS)]
    stores = {
        recording(inner): [each for each in ids if keys.find_bucket(each) is bucket]
        for bucket in keys.buckets
    }
    assert all(stores.values())
    async with inner:
        assert inner.guarantees.batch is Atomicity.NONE
        clients = Clients(stores)
        await clients.progress()
        for slot in slots[:2]:
            await asyncio.to_thread(reshard, cluster, slot)
        await clients.progress()
        primary = await asyncio.to_thread(cluster.primary_of, slots[2])
        replica = await asyncio.to_thread(kill, cluster, primary)
        await asyncio.to_thread(cluster.until_promoted, replica)
        await clients.progress()
        await clients.end()
    # By a node that runs: the one named before may be the one that was killed.
    url = cluster.url.replace("redis://", "redis+cluster://")
    async with RedisSessionStore(url, prefix=prefix) as after:
        await add_up(after)
    for store in stores:
        result = check(store.history(), SessionStoreModel(), timeout=600)
        assert result.verdict is Verdict.OK, result
