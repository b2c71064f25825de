"""A cluster whose slots move and whose primaries die: each bucket's calls run once, where it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from redis_cluster import Cluster
from redis_moves import Move
from redis_server import RedisServer
from sessionkeeper import StoreUnavailable
from sessionkeeper.backends.redis.client.address import RedisAddress
from sessionkeeper.backends.redis.client.call import Answer, Call, DeliveryStatus, Script
from sessionkeeper.backends.redis.client.cluster import ClusterServers
from sessionkeeper.backends.redis.client.refusals import is_partial, is_transient
from sessionkeeper.backends.redis.client.servers import ANYWHERE
from sessionkeeper.backends.redis.keys import Keys
from sessionkeeper.backends.redis.stream_reader import StreamReader
from sessionkeeper.backends.redis.wakeups import enable_change_feed
from sessionkeeper.interface.wakeups import StoreWakeups

TEXT = b"return redis.call('RPUSH', KEYS[1], ARGV[1])"
PUSH = Script("push", lambda: TEXT)
BUCKETS = 16


class Served(ClusterServers):
    """Servers that know where their buckets are in this very cluster."""

    def __init__(self, cluster: Cluster, prefix: str, timeout: float) -> None:
        self.keys = Keys(prefix.rstrip(":"), BUCKETS)
        url = cluster.url.replace("redis://", "redis+cluster://")
        super().__init__(RedisAddress.of(url, timeout=timeout), self.keys.slots())

    def key(self, bucket: int, name: str = "list") -> str:
        return f"{self.keys.buckets[bucket].tag}:{name}"

    def push(self, bucket: int, value: object, name: str = "list") -> Call:
        key = self.key(bucket, name)
        return Call(bucket, ("EVALSHA", PUSH.digest, 1, key, str(value)), PUSH)


@asynccontextmanager
async def served(cluster: Cluster, prefix: str, timeout: float = 20.0) -> AsyncIterator[Served]:
    servers = Served(cluster, prefix, timeout)
    try:
        await servers.open()
        yield servers
    finally:
        await servers.aclose()


def away(cluster: Cluster, key: str) -> Move:
    """Prepare to move the slot of a key to where it is not."""
    slot = cluster.slot_of(key)
    source = cluster.primary_of(slot)
    return cluster.move(slot, next(node for node in cluster.primaries() if node is not source))


async def test_calls_of_all_buckets_go_to_their_nodes_and_answers_come_in_order(
    cluster: Cluster, key_prefix: str
) -> None:
    """One pipeline a node; exchanges overlap."""
    async with served(cluster, key_prefix) as servers:
        server_info = await servers.open()
        assert server_info.cluster
        assert server_info.replicas == 1
        assert await servers.exchange([Call(ANYWHERE, ("EXISTS", servers.keys.layout))]) == [0]
        batches = [[servers.push(b, n) for b in range(BUCKETS)] * 2 for n in range(10)]
        answers = await asyncio.gather(*map(servers.exchange, batches))
        assert answers == [[2 * n + 1] * BUCKETS + [2 * n + 2] * BUCKETS for n in range(10)]
        nodes = {cluster.primary_of(cluster.slot_of(servers.key(b))) for b in range(BUCKETS)}
        assert len(nodes) == 3


async def test_a_bucket_that_has_moved_is_followed_and_nothing_runs_twice(
    cluster: Cluster, key_prefix: str
) -> None:
    """`MOVED`: the map is read again, and these calls are sent again."""
    async with served(cluster, key_prefix) as servers:
        everywhere = [servers.push(b, 1) for b in range(BUCKETS)]
        await servers.exchange(everywhere)
        slot = cluster.slot_of(servers.key(0))
        others = [node for node in cluster.primaries() if node is not cluster.primary_of(slot)]
        for turn, target in enumerate([others[0], others[1], others[0]], 2):
            before = servers.generation(0)
            await asyncio.to_thread(cluster.move(slot, target).whole)
            assert await servers.exchange(everywhere) == [turn] * BUCKETS
            assert servers.generation(0) > before


async def test_keys_on_their_way_are_asked_for_where_they_are(
    cluster: Cluster, key_prefix: str
) -> None:
    """`ASK`: this once, with `ASKING`, also where the script is not known yet."""
    async with served(cluster, key_prefix) as servers:
        await servers.exchange([servers.push(0, n, f"key-{n}") for n in range(4)])
        move = away(cluster, servers.key(0))
        move.target.say("SCRIPT", "FLUSH")
        await asyncio.to_thread(move.begin)
        while move.keys(1):
            calls = [servers.push(0, n, f"key-{n}") for n in range(4)]
            echo = Call(1, ("ECHO", "between"))
            answers = await servers.exchange([*calls[:2], echo, *calls[2:]])
            assert answers[2] == b"between"
            assert len(set(answers) - {b"between"}) == 1
        assert await servers.exchange([servers.push(0, 1, "new")]) == [1]
        await asyncio.to_thread(move.finish)
        assert await servers.exchange([servers.push(0, 2, "new")]) == [2]


async def test_keys_on_two_nodes_are_transient_and_have_no_effect(
    cluster: Cluster, key_prefix: str
) -> None:
    """The caller gets `TRYAGAIN` and waits between attempts."""
    async with served(cluster, key_prefix) as servers:
        keys = [servers.key(0, name) for name in "ab"]
        await servers.exchange([servers.push(0, 1, name) for name in "ab"])
        move = away(cluster, keys[0])
        await asyncio.to_thread(move.begin)
        await asyncio.to_thread(move.keys, 1)
        text = "for _, key in ipairs(KEYS) do redis.call('RPUSH', key, 2) end"
        (refused,) = await servers.exchange([Call(0, ("EVAL", text, 2, *keys))])
        assert refused.code == "TRYAGAIN"
        assert is_transient(refused)
        assert not is_partial(refused)
        await asyncio.to_thread(move.whole)
        assert await servers.exchange([Call(0, ("LRANGE", key, 0, -1)) for key in keys]) == [
            [b"1"],
            [b"1"],
        ]


async def test_a_script_that_reaches_for_a_key_it_emptied_is_stopped_halfway_on_the_way(
    cluster: Cluster, key_prefix: str
) -> None:
    """What it wrote before stays: no script of a store may do that. Missing ones are no hazard."""
    async with served(cluster, key_prefix) as servers:
        keys = [servers.key(0, name) for name in "ab"]
        await servers.exchange([servers.push(0, 1, name) for name in "ab"])
        move = away(cluster, keys[0])
        await asyncio.to_thread(move.begin)
        text = """
            redis.call('RPUSH', KEYS[1], 2)
            redis.call('DEL', KEYS[2])
            redis.call('RPUSH', KEYS[2], 2)
        """
        (refused,) = await servers.exchange([Call(0, ("EVAL", text, 2, *keys))])
        assert is_partial(refused)
        assert not is_transient(refused)
        assert await servers.exchange([Call(0, ("LLEN", keys[0]))]) == [2]
        missing = [keys[0], servers.key(0, "missing")]
        (refused,) = await servers.exchange([Call(0, ("EVAL", text, 2, *missing))])
        assert is_transient(refused)
        assert await servers.exchange([Call(0, ("LLEN", keys[0]))]) == [2]


async def test_a_cancelled_exchange_takes_nobody_elses_answers(
    cluster: Cluster, key_prefix: str
) -> None:
    """On every node it was on its way to."""
    async with served(cluster, key_prefix) as servers:
        for _ in range(20):
            calls = [Call(b, ("ECHO", f"old {b}")) for b in range(BUCKETS)]
            old = asyncio.ensure_future(servers.exchange(calls))
            await asyncio.sleep(0)
            old.cancel()
            with pytest.raises(asyncio.CancelledError):
                await old
            calls = [Call(b, ("ECHO", f"new {b}")) for b in range(BUCKETS)]
            assert await servers.exchange(calls) == [f"new {b}".encode() for b in range(BUCKETS)]


async def until_pushed(servers: Served, bucket: int) -> list[Answer]:
    """Push until it succeeds, and return what happened before: a value of its own each time."""
    came: list[Answer] = []
    while not isinstance(
        answer := (await servers.exchange([servers.push(bucket, len(came))]))[0], int
    ):
        assert answer in (DeliveryStatus.NO_REPLY, DeliveryStatus.NOT_SENT) or is_transient(answer)
        came.append(answer)
        await asyncio.sleep(0.02)
    return came


async def outlive(cluster: Cluster, prefix: str, *, freeze: bool) -> None:
    """A primary goes; its replica is found, and nothing has run twice."""
    async with served(cluster, prefix, timeout=2.0) as servers:
        wakeups = StoreWakeups()
        reader = StreamReader(
            servers, servers.keys, wakeups, partial(enable_change_feed, "w"), block=0.2, maximum=0.1
        )
        primary = cluster.primary_of(cluster.slot_of(servers.key(0)))
        slots = {b: cluster.slot_of(servers.key(b)) for b in range(BUCKETS)}
        other = next(b for b in slots if cluster.primary_of(slots[b]) is not primary)
        with wakeups.subscribe("mine") as wakeup:
            try:
                reader.watch(0)
                await wakeup.wait()
                await servers.exchange([servers.push(b, "first") for b in slots])
                primary.say("WAIT", 1, 5_000)
                before = servers.generation(0)
                replica = cluster.replica_of(primary)
                (primary.freeze if freeze else primary.kill)()
                came = await until_pushed(servers, 0)
                assert came[0] is DeliveryStatus.NO_REPLY or not freeze
                assert servers.generation(0) > before
                # The others learn of it a moment later, and say CLUSTERDOWN until then.
                await until_pushed(servers, other)
                pushed: Any = await asyncio.to_thread(replica.say, "LRANGE", servers.key(0), 0, -1)
                assert pushed[0] == "first"
                assert pushed[-1] == str(len(came))
                assert len(pushed) == len(set(pushed))
                wakeup.clear()
                await asyncio.to_thread(
                    replica.say, "XADD", servers.keys.buckets[0].changes, "*", "s", "mine"
                )
                await wakeup.wait()
            finally:
                await reader.aclose()


async def test_a_primary_that_dies_or_falls_silent_is_followed_by_its_replica(
    clusters: list[Cluster], key_prefix: str
) -> None:
    """The connection is refused or silent: the other nodes know the new primary."""
    killed, frozen = clusters
    await asyncio.gather(
        outlive(killed, key_prefix, freeze=False), outlive(frozen, key_prefix, freeze=True)
    )


async def test_one_server_is_not_taken_for_a_cluster(server: RedisServer, key_prefix: str) -> None:
    """The refusal names the URL to use; so does one for a cluster that is not there."""
    for url, reason in ((server.url, "use redis://"), ("redis://127.0.0.1:1", "cannot be reached")):
        target = RedisAddress.of(url.replace("redis://", "redis+cluster://"))
        servers = ClusterServers(target, Keys(key_prefix.rstrip(":"), 1).slots())
        with pytest.raises(StoreUnavailable, match=reason):
            await servers.open()
        assert await servers.exchange([Call(0, ("PING",))]) == [DeliveryStatus.NOT_SENT]
        assert reason in servers.last_error
        await servers.aclose()
