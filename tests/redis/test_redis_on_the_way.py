"""Operations while the slot of their bucket is on its way to another node: whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis_cluster import Cluster
from sessionkeeper import (
    MessageEnvelope,
    RedisSessionStore,
    Session,
    SessionState,
    StoreUnavailable,
)
from sessionkeeper.backends.redis.keys import Keys


def session(id: str, principal: str | None = None) -> Session:
    return Session.new(transport_type="stdio", id=id, principal=principal)


def closed(now: Session) -> Session:
    return now.model_copy(update={"state": SessionState.CLOSED})


def frame(id: str) -> MessageEnvelope:
    return MessageEnvelope.of(id, {"jsonrpc": "2.0", "method": "m"}, direction="client-to-server")


@asynccontextmanager
async def on_the_way(cluster: Cluster, prefix: str) -> AsyncIterator[RedisSessionStore]:
    """One ended session, one live with the only principal and a log; every key is there."""
    name = prefix.rstrip(":")
    url = cluster.url.replace("redis://", "redis+cluster://")
    async with RedisSessionStore(url, prefix=name, buckets=1) as store:
        await store.create_session(session("old"))
        await store.add_frame(frame("old"))
        await store.modify_session("old", closed)
        await store.create_session(session("mine", "p"))
        await store.add_frame(frame("mine"))
        bucket = Keys(name, 1).buckets[0]
        slot = cluster.slot_of(bucket.meta)
        source = cluster.primary_of(slot)
        source.say("XADD", bucket.changes, "*", "s", "mine")
        target = next(node for node in cluster.primaries() if node is not source)
        move = cluster.move(slot, target)
        await asyncio.to_thread(move.begin)
        yield store
        await asyncio.to_thread(move.abandon)


async def test_a_session_ends_whole_while_its_slot_moves(cluster: Cluster, key_prefix: str) -> None:
    """Its principal had no other: the hash of principals is empty for a moment."""
    async with on_the_way(cluster, key_prefix) as store:
        await store.modify_session("mine", closed)
        found = await store.get_session("mine")
        assert found.state is SessionState.CLOSED


async def test_no_session_expires_while_its_slot_moves(cluster: Cluster, key_prefix: str) -> None:
    """The order of those that expire by their moment may be at the other node already."""
    async with on_the_way(cluster, key_prefix) as store:
        with pytest.raises(StoreUnavailable, match="is moving a slot"):
            await store.expire_sessions(idle=1e-6, limit=10)
        assert (await store.get_session("mine")).state is SessionState.INITIALIZING
