"""Several calls out at once, where one of them is of another kind than it seems."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis_cluster import Cluster
from redis_fleet import Fleet
from redis_operations import note, session
from redis_proxy import proxied
from redis_server import RedisServer
from sessionkeeper import (
    LimitExceeded,
    MessageEnvelope,
    RedisSessionStore,
    StoreLimits,
    StoreUnavailable,
)
from sessionkeeper.backends.redis.execution.node_queues import NodeQueues

TOGETHER = 16
"""Commands in a full flight."""


def too_large(session_id: str) -> MessageEnvelope:
    """A message that no log takes."""
    message = {"jsonrpc": "2.0", "method": "note", "params": ["x" * 2000]}
    return MessageEnvelope.of(session_id, message, direction="client-to-server")


async def test_a_read_behind_an_append_that_is_too_large_comes_after_those_before(
    server: RedisServer, key_prefix: str
) -> None:
    """Such an append only reads; what is asked next still sees what was appended before."""
    limits = StoreLimits(max_frame_bytes=1000)
    async with RedisSessionStore(server.url, prefix=key_prefix[:-1], limits=limits) as store:
        for n in range(TOGETHER):
            await store.get_or_create_session(session(f"s{n}"))
        answers: list[Any] = await asyncio.gather(
            store.add_frame(note(1, "s0")),
            store.add_frame(too_large("s0")),
            store.get_session("s0"),
            *(store.get_session(f"s{n}") for n in range(1, TOGETHER)),
            return_exceptions=True,
        )
    append, refused, found, *_ = answers
    assert append == 1
    assert isinstance(refused, LimitExceeded)
    assert found.last_seq == 1


@pytest.mark.parametrize("engine", ["redis", "valkey"], indirect=True)
async def test_without_patience_a_lost_node_is_found_again_by_reads(
    cluster: Cluster, key_prefix: str
) -> None:
    """A read whose bucket may have moved looks first where it is; it is no failed attempt."""
    url = cluster.url.replace("redis://", "redis+cluster://") + "?socket_timeout=2"
    async with RedisSessionStore(url, prefix=key_prefix[:-1], buckets=6, patience=0.0) as store:
        for n in range(TOGETHER):
            await store.get_or_create_session(session(f"s{n}"))
        primaries = await asyncio.to_thread(cluster.primaries)
        for node in primaries:
            node.freeze()
        gets = [store.get_session(f"s{n}") for n in range(TOGETHER)]
        answers = await asyncio.gather(*gets, return_exceptions=True)
        for node in primaries:
            node.thaw()
        assert {type(each) for each in answers} == {StoreUnavailable}
        for n in range(TOGETHER):
            assert (await store.get_session(f"s{n}")).last_seq == 0


async def test_a_command_that_is_dropped_is_none_of_the_first_to_end(
    fleet: Fleet, key_prefix: str
) -> None:
    """What waits for the first commands of a node does not begin before one of those has ended."""
    server = fleet.start()
    async with proxied(server.port) as proxy:
        store = await RedisSessionStore(proxy.url, prefix=key_prefix[:-1], patience=20).open()
        for each in ("s0", "s1"):
            await store.get_or_create_session(session(each))
        runner: Any = store._runner
        runner._queues = NodeQueues(runner.resources, runner.refuse)  # as with a cluster
        held = proxy.replies.hold("EVALSHA")
        first = asyncio.ensure_future(store.add_frame(note(1, "s0")))
        await held.reached()
        server.say("CONFIG", "SET", "min-replicas-to-write", 1)
        second = asyncio.ensure_future(store.add_frame(note(1, "s1")))
        await asyncio.sleep(0.05)
        listed = asyncio.ensure_future(store.list_sessions())
        dropped = asyncio.ensure_future(store.add_frame(note(2, "s0")))
        await asyncio.sleep(0.05)
        dropped.cancel()
        await asyncio.sleep(0.05)
        held.release()
        assert await first == 1
        await asyncio.sleep(0.1)
        server.say("CONFIG", "SET", "min-replicas-to-write", 0)
        assert await second == 1
        assert {each.id: each.last_seq for each in await listed} == {"s0": 1, "s1": 1}
        await store.aclose()
