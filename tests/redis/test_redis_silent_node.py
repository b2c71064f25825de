"""One node of a cluster says nothing: sessions of the others go on, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from redis_cluster import Cluster
from redis_operations import add_up, note, session
from redis_patience import AMPLE, set_patience
from redis_server import RedisServer
from sessionkeeper import OutcomeUnknown, RedisSessionStore, StoreClosed, StoreUnavailable

ALL_ENDS = 300.0


@contextmanager
def partial_outage(cluster: Cluster) -> Iterator[None]:
    """Have the others serve, and nobody take over, while a node is silent."""
    usual = {"cluster-require-full-coverage": "yes", "cluster-node-timeout": 1000}
    try:
        for node in cluster.nodes:
            node.configure("cluster-require-full-coverage", "no")
            node.configure("cluster-node-timeout", 600_000)
        yield
    finally:
        for node in cluster.nodes:
            node.thaw()
        for node in cluster.nodes:
            for option, value in usual.items():
                node.configure(option, value)


def find_node(cluster: Cluster, store: RedisSessionStore, key: str) -> RedisServer:
    """The primary that has a session."""
    tag = store._runner.resources.plan_context.keys.find_bucket(key).tag
    return cluster.primary_of(cluster.slot_of(tag))


@asynccontextmanager
async def half_silent(
    cluster: Cluster, prefix: str, patience: float
) -> AsyncIterator[tuple[RedisSessionStore, list[str], list[str]]]:
    """A store, sessions of nodes that answer, and sessions of one that is going to be silent."""
    with partial_outage(cluster):
        async with RedisSessionStore(
            cluster.url.replace("redis://", "redis+cluster://")[:-2],
            prefix=prefix.rstrip(":"),
            patience=AMPLE,
        ) as store:
            names = [f"s{n}" for n in range(12)]
            for name in names:
                await store.create_session(session(name))
            chosen = find_node(cluster, store, names[0])
            silent = [each for each in names if find_node(cluster, store, each) is chosen]
            well = [each for each in names if each not in silent]
            assert well
            set_patience(store, patience)
            chosen.freeze()
            try:
                yield store, well, silent
            finally:
                chosen.thaw()


async def test_sessions_of_other_nodes_go_on(cluster: Cluster, key_prefix: str) -> None:
    """Hundreds of calls of theirs end while others wait for the silent node."""
    async with (
        asyncio.timeout(ALL_ENDS),
        half_silent(cluster, key_prefix, 1000.0) as (store, well, silent),
    ):
        waiting = [asyncio.ensure_future(store.add_frame(note(0, each))) for each in silent]
        listing = asyncio.ensure_future(store.list_sessions())
        for n in range(200):
            key = well[n % len(well)]
            await store.add_frame(note(n, key))
            await store.get_session(key)
        assert not any(each.done() for each in waiting)
        assert not listing.done()
        for node in cluster.nodes:
            node.thaw()
        assert await asyncio.gather(*waiting) == [1] * len(silent)
        assert {each.id for each in await listing} == {*well, *silent}


async def test_the_errors_about_a_silent_node_are_true_and_the_store_recovers(
    cluster: Cluster, key_prefix: str
) -> None:
    """Commands on the whole store end within patience as well; nothing is lost or done twice."""
    async with asyncio.timeout(ALL_ENDS):
        async with half_silent(cluster, key_prefix, 1.0) as (store, well, silent):
            for _ in range(2):
                for whole in (
                    store.list_sessions(),
                    store.statistics(),
                    store.count_sessions(),
                    store.get_sessions_batch([well[0], silent[0]]),
                ):
                    with pytest.raises(StoreUnavailable):
                        await whole
            with pytest.raises((OutcomeUnknown, StoreUnavailable)):
                await store.expire_sessions(idle=3600)
            adding = [store.add_frame(note(n, silent[0])) for n in range(5)]
            told: list[Any] = await asyncio.gather(*adding, return_exceptions=True)
            set_patience(store, AMPLE)
            assert await store.add_frame(note(0, well[0])) == 1
            for node in cluster.nodes:
                node.thaw()
            applied = 0
            for each in told:
                if isinstance(each, OutcomeUnknown):
                    applied += await _resolved(store, each.operation_id)
                else:
                    assert isinstance(each, StoreUnavailable)
            assert await store.count_frames(silent[0]) == applied
            await add_up(store)


async def _resolved(store: RedisSessionStore, operation_id: str) -> bool:
    while True:
        try:
            return await store.resolve(operation_id)
        except StoreUnavailable:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("engine", ["redis"], indirect=True)
async def test_a_store_closes_beside_a_silent_node(cluster: Cluster, key_prefix: str) -> None:
    """With a timeout it ends immediately; unfinished calls get the known outcome."""
    async with (
        asyncio.timeout(ALL_ENDS),
        half_silent(cluster, key_prefix, 1000.0) as (store, well, silent),
    ):
        waiting = [asyncio.ensure_future(store.add_frame(note(0, each))) for each in silent]
        waiting.append(asyncio.ensure_future(store.add_frame(note(1, silent[0]))))
        assert await store.add_frame(note(0, well[0])) == 1
        await store.aclose(timeout=0.05)
        told = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(each) for each in told} <= {OutcomeUnknown, StoreClosed}
        assert isinstance(told[0], OutcomeUnknown)


@pytest.mark.parametrize("engine", ["redis"], indirect=True)
async def test_closing_without_a_time_out_finishes_what_was_asked(
    cluster: Cluster, key_prefix: str
) -> None:
    """This includes calls in the queues of the nodes."""
    url = cluster.url.replace("redis://", "redis+cluster://")[:-2]
    store = await RedisSessionStore(url, prefix=key_prefix.rstrip(":")).open()
    for n in range(8):
        await store.create_session(session(f"s{n}"))
    adding = [asyncio.ensure_future(store.add_frame(note(n, f"s{n % 8}"))) for n in range(200)]
    whole = asyncio.ensure_future(store.list_sessions())
    await asyncio.sleep(0)  # until all have asked
    await store.aclose()
    assert sum(await asyncio.gather(*adding)) == 8 * sum(range(1, 26))
    # It was asked after them, so it sees all of them.
    assert [each.last_seq for each in await whole] == [25] * 8


@pytest.mark.parametrize("engine", ["redis"], indirect=True)
async def test_a_bug_in_one_node_queue_ends_the_store_for_all(
    cluster: Cluster, key_prefix: str
) -> None:
    """It ends the store for all callers, like a bug in the owner."""
    url = cluster.url.replace("redis://", "redis+cluster://")[:-2]
    async with (
        asyncio.timeout(ALL_ENDS),
        RedisSessionStore(url, prefix=key_prefix.rstrip(":")) as store,
    ):
        await store.create_session(session("a"))
        await store.create_session(session("b"))
        queues = store._runner._queues
        assert queues is not None

        async def broken(_: object) -> None:
            raise RuntimeError("broken on purpose")

        bucket = store._runner.resources.plan_context.keys.find_bucket("a").number
        queues._choose_queue(bucket).lane.run = broken  # type: ignore[method-assign]  # the fault
        told = await asyncio.gather(
            store.add_frame(note(1, "a")), store.list_sessions(), return_exceptions=True
        )
        assert {type(each) for each in told} == {StoreClosed}
        for _ in range(2):
            with pytest.raises(StoreClosed):
                await store.get_session("b")
