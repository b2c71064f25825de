"""The order of calls: concurrent calls have the same results as consecutive ones."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from random import Random
from typing import Any

import pytest
import redis
from redis_cluster import Cluster
from redis_fleet import Fleet
from redis_operations import note, session
from redis_order import begin, make_program, mark, same_order
from redis_proxy import FaultProxy
from redis_server import RedisServer
from sessionkeeper import (
    RedisSessionStore,
    Session,
    SessionClosed,
    SessionError,
    SessionNotFound,
    SessionQuery,
)
from sessionkeeper.interface.atomic_store import AtomicSessionStore

valkey = pytest.mark.parametrize("engine", ["valkey"], indirect=True)
PROGRAMS = 15


@asynccontextmanager
async def disturbed(
    *disturb: Callable[[], Awaitable[object]], times: int = sys.maxsize
) -> AsyncIterator[None]:
    """Do this again and again, by turns, while the block runs; so many times at most."""

    async def go_on() -> None:
        for _ in range(times):
            for each in disturb:
                with suppress(SessionError):
                    await each()

    task = asyncio.ensure_future(go_on())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_change_is_applied_before_what_is_asked_after_it(
    server: RedisServer, key_prefix: str
) -> None:
    """Also the first change of a session, which must be read before the function runs."""
    async with RedisSessionStore(server.url, prefix=key_prefix.rstrip(":")) as store:
        async with RedisSessionStore(server.url, prefix=key_prefix.rstrip(":")) as maker:
            for key in "abc":
                await maker.create_session(session(key))
        answers = await asyncio.gather(
            store.add_frames("a", [note(1)], change=mark("1")),
            store.add_frame(note(2)),
            store.add_frame(note(3)),
        )
        assert [*answers] == [range(1, 2), 2, 3]
        ended = await asyncio.gather(
            store.modify_session("b", mark("end", state="closed")),
            store.add_frame(note(1, "b")),
            store.count_frames("b"),
            return_exceptions=True,
        )
        assert isinstance(ended[1], SessionClosed)
        assert ended[2] == 0
        told = await asyncio.gather(
            store.modify_session("c", mark("one")),
            store.get_session("c"),
            store.list_sessions(),
            store.delete_session("c"),
            store.add_frame(note(1, "c")),
            return_exceptions=True,
        )
        assert told[0] == told[1]
        assert isinstance(told[2], list)
        assert told[0] in told[2]
        assert isinstance(told[4], SessionNotFound)


@pytest.mark.parametrize("ttl", [None, 3600.0])
async def test_concurrent_commands_are_applied_in_the_order_of_asking(
    ttl: float | None, server: RedisServer, key_prefix: str
) -> None:
    """Compares the answers of writes and reads, and the final content."""
    for seed in range(PROGRAMS):
        prefix = f"{key_prefix[:-1]}.{seed}"
        async with RedisSessionStore(server.url, prefix=prefix, ttl=ttl) as store:
            await begin(store)
            await same_order(store, make_program(Random(seed)))


async def test_the_order_stays_while_another_process_changes_the_sessions(
    server: RedisServer, key_prefix: str
) -> None:
    """A change that must run again delays the later calls."""
    for seed in range(PROGRAMS):
        prefix = f"{key_prefix[:-1]}.{seed}"
        async with (
            RedisSessionStore(server.url, prefix=prefix) as store,
            RedisSessionStore(server.url, prefix=prefix) as other,
        ):
            await begin(store)
            async with disturbed(*(partial(disturb, other, key) for key in "abc")):
                await same_order(store, make_program(Random(seed)))


async def disturb(store: AtomicSessionStore, key: str) -> None:
    """Change of a session what `same_order` does not look at."""

    def count_up(there: Session) -> Session:
        tag = int(next(iter(there.tags), "0")) + 1
        return there.model_copy(update={"tags": frozenset({str(tag)})})

    await store.modify_session(key, count_up)


@valkey
async def test_the_order_stays_when_the_server_forgets_scripts_and_epochs(fleet: Fleet) -> None:
    """Each makes it refuse some of what was sent, and not what came after.

    A read that is refused may see what was asked after it.
    """
    server = fleet.start()
    for seed in range(PROGRAMS):
        async with RedisSessionStore(server.url, prefix=str(seed)) as store:
            await begin(store)
            with server.client() as client:
                writers = client.keys(f"{{{seed}:0}}:w:*")
                assert writers, client.keys("*")
                async with disturbed(partial(refuse, client, writers), times=8):
                    await same_order(store, make_program(Random(seed)), reads=False)


async def refuse(client: redis.Redis, writers: list[Any]) -> None:
    """Make the server refuse the next writes, of all writers or of these."""
    await asyncio.sleep(0.002)  # between two questions, and not always before the first
    for writer in writers:
        client.hset(writer, "epoch", "another")
    client.script_flush()


@valkey
@pytest.mark.parametrize("how", ["request", "reply"])
async def test_the_order_stays_when_connections_are_cut(
    how: str, proxy: FaultProxy, key_prefix: str
) -> None:
    """Writes keep their order; a read whose answer was lost may see later writes."""
    for seed in range(PROGRAMS):
        random = Random(seed)
        async with RedisSessionStore(proxy.url, prefix=f"{key_prefix[:-1]}.{seed}") as store:
            await begin(store)
            faults = proxy.requests if how == "request" else proxy.replies
            for _ in range(3):
                faults.cut("EVALSHA", at=random.choice([0, None]), skip=random.randrange(12))
            await same_order(store, make_program(random), reads=False)
            faults.clear()


@valkey
async def test_the_order_stays_on_a_cluster(cluster: Cluster, key_prefix: str) -> None:
    """In each session; and while another store changes them."""
    url = cluster.url.replace("redis:", "redis+cluster:")
    for seed in range(PROGRAMS):
        prefix = f"{key_prefix[:-1]}.{seed}"
        async with (
            RedisSessionStore(url, prefix=prefix, buckets=4) as store,
            RedisSessionStore(url, prefix=prefix) as other,
        ):
            await begin(store)
            async with disturbed(*(partial(disturb, other, key) for key in "abc")):
                await same_order(store, make_program(Random(seed)))


async def test_a_call_on_the_whole_store_comes_after_all_before_it(
    server: RedisServer, key_prefix: str
) -> None:
    """A first change is read before it is written; a sweep delays the calls after it."""
    prefix = key_prefix[:-1]
    async with (
        RedisSessionStore(server.url, prefix=prefix) as store,
        RedisSessionStore(server.url, prefix=prefix) as maker,
    ):
        for key in "abc":
            await maker.create_session(session(key))
        view = store.for_principal("alice")
        changed, listed, own, found = await asyncio.gather(
            store.modify_session("a", mark("one", principal="alice")),
            store.list_sessions(),
            view.list_sessions(),
            view.find_sessions(SessionQuery()),
        )
        assert changed in listed
        assert [changed] == own == [*found.sessions]
        _, purged, *rest = await asyncio.gather(
            store.modify_session("a", mark("end", state="closed")),
            store.purge_sessions(ended_for=0),
            store.create_session(session("a")),
            store.add_frame(note(1)),
        )
        assert purged == 1
        assert rest[1] == 1


async def test_concurrent_calls_take_one_round_trip(fleet: Fleet) -> None:
    """Appends and changes of one session go out together, each behind the one before."""
    server = fleet.start()
    async with RedisSessionStore(server.url) as store:
        await store.create_session(session("a"))
        await store.modify_session("a", mark("first"))
        before = ran(server)
        calls = [
            asyncio.ensure_future(
                store.add_frames("a", [note(n)], change=mark(f"{n}"))
                if n % 2
                else store.add_frames("a", [note(n)])
            )
            for n in range(20)
        ]
        assert [*await asyncio.gather(*calls)] == [range(n, n + 1) for n in range(1, 21)]
        assert ran(server) - before == 20


def ran(server: RedisServer) -> int:
    """How many scripts the server has run."""
    stats: dict[str, dict[str, int]] = server.say("INFO", "commandstats")
    return stats["cmdstat_evalsha"]["calls"]
