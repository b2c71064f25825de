"""The clusters for the tests of Redis: owners of slots, failover, slots that move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import RedisCluster
from redis.exceptions import AskError, MovedError, TryAgainError
from redis_cluster import SLOTS, Cluster
from redis_nodes import read_nodes


@asynccontextmanager
async def make_client(cluster: Cluster) -> AsyncIterator[Any]:
    """redis-py's own client of clusters."""
    client: Any = RedisCluster.from_url(cluster.url, decode_responses=True)
    try:
        yield client
    finally:
        await client.aclose()


def test_a_nodes_slot_map_is_read_completely() -> None:
    """Ranges, single slots, slots on their way, replicas and failed nodes."""
    nodes = read_nodes(
        "b 127.0.0.1:2@12 myself,master - 0 0 2 connected 0-1 5 [7->-a] [9-<-a]\n"
        "a 127.0.0.1:1@11,name master,fail - 0 0 1 connected 2-4\n"
        "c 127.0.0.1:3@13 slave b 0 0 2 connected\n"
    )
    assert [(node.id, node.port, node.primary) for node in nodes] == [
        ("a", 1, "-"),
        ("b", 2, "-"),
        ("c", 3, "b"),
    ]
    assert nodes[0].flags == {"master", "fail"}
    assert nodes[1].flags == {"master"}
    assert nodes[1].slots == (range(2), range(5, 6))
    assert [slot for slot in range(10) if nodes[1].has(slot)] == [0, 1, 5]
    assert [node.is_primary for node in nodes] == [True, True, False]


async def test_every_slot_has_a_primary_and_a_replica(cluster: Cluster, key_prefix: str) -> None:
    """Every node has keys."""
    primaries = cluster.primaries()
    assert len(primaries) == 3
    assert {cluster.replica_of(node) for node in primaries} | set(primaries) == set(cluster.nodes)
    view = cluster.view(cluster.nodes[0])
    assert sorted(slot for node in view for part in node.slots for slot in part) == [*range(SLOTS)]
    async with make_client(cluster) as client:
        for slot in (0, SLOTS // 2, SLOTS - 1):
            key = f"{key_prefix}{{{cluster.tag_in(slot)}}}"
            assert cluster.slot_of(key) == slot
            assert await client.set(key, slot)
            assert cluster.primary_of(slot).say("GET", key) == str(slot)


def test_a_slot_on_its_way_answers_ask_and_then_moved(cluster: Cluster, key_prefix: str) -> None:
    """Keys move one by one; a command for keys on both sides must be tried again."""
    slot = 100
    source = cluster.primary_of(slot)
    target = next(node for node in cluster.primaries() if node is not source)
    keys = [f"{key_prefix}{{{cluster.tag_in(slot)}}}{number}" for number in range(3)]
    for key in keys:
        source.say("SET", key, "here")
    move = cluster.move(slot, target)
    move.begin()
    assert {source.say("GET", key) for key in keys} == {"here"}
    with pytest.raises(AskError):
        source.say("GET", keys[0] + "new")
    assert move.keys(1) == 1
    with pytest.raises(TryAgainError):
        source.say("MGET", *keys)
    there = [key for key in keys if not _has(source, key)]
    assert len(there) == 1
    with pytest.raises(MovedError):
        target.say("GET", there[0])
    with target.client() as client:
        asking: Any = client.pipeline(transaction=False)
        assert asking.execute_command("ASKING").get(there[0]).execute() == [True, "here"]
    assert move.keys(10) == 2
    assert move.keys() == 0
    move.finish()
    for key in keys:
        with pytest.raises(MovedError) as moved:
            source.say("GET", key)
        assert moved.value.port == target.port
        assert target.say("GET", key) == "here"
    cluster.until_agreed()
    assert cluster.primary_of(slot) is target


def _has(node: Any, key: str) -> bool:
    try:
        return bool(node.say("EXISTS", key))
    except AskError:
        return False


async def test_a_client_continues_its_numbers_while_its_slot_moves(
    cluster: Cluster, key_prefix: str
) -> None:
    """Between all steps, there and back; nothing is lost and nothing done twice."""
    slot = 200
    key = f"{key_prefix}{{{cluster.tag_in(slot)}}}"
    home = cluster.primary_of(slot)
    away = next(node for node in cluster.primaries() if node is not home)
    counted = 0
    async with make_client(cluster) as client:
        for target in (away, home):
            move = cluster.move(slot, target)
            for step in (move.begin, move.keys, move.finish, cluster.until_agreed):
                counted += 1
                assert await client.incr(key) == counted
                await asyncio.to_thread(step)
        assert int(await client.get(key)) == counted == 8


def test_an_unfinished_move_of_a_slot_is_repaired(cluster: Cluster) -> None:
    """The cluster is repaired after a test."""
    slot = 300
    source = cluster.primary_of(slot)
    target = next(node for node in cluster.primaries() if node is not source)
    cluster.move(slot, target).begin()
    assert "[300" in source.say("CLUSTER", "NODES")
    cluster.heal()
    assert not any("[" in node.say("CLUSTER", "NODES") for node in (source, target))
    assert cluster.primary_of(slot) is source


async def test_a_replica_takes_over_from_a_killed_primary(
    clusters: list[Cluster], key_prefix: str
) -> None:
    """It has the data; the killed node returns as its replica. Both engines run at once."""

    async def fail_over(cluster: Cluster) -> None:
        slot = 16_000
        key = f"{key_prefix}{{{cluster.tag_in(slot)}}}"
        primary = cluster.primary_of(slot)
        async with make_client(cluster) as client:
            with primary.client() as same:
                same.set(key, "kept")
                assert same.wait(1, 20_000) == 1
            replica = cluster.kill(primary)
            assert not primary.running
            await asyncio.to_thread(cluster.until_promoted, replica)
            assert cluster.primary_of(slot) is replica
            assert replica.say("GET", key) == "kept"
            assert await client.get(key) == "kept"
        await asyncio.to_thread(cluster.heal)
        assert cluster.replica_of(replica) is primary
        assert primary.say("DBSIZE") == replica.say("DBSIZE")

    await asyncio.gather(*map(fail_over, clusters))
