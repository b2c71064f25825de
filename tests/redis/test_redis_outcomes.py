"""The errors for outcomes that are not known yet, and what `resolve` says later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from redis_cluster import Cluster
from redis_fleet import Fleet
from redis_operations import WRITES, add_up, fill, note, picture, session
from redis_patience import AMPLE, set_patience
from redis_processes import redis_workers
from redis_proxy import FaultProxy, proxied
from redis_server import RedisServer, until
from sessionkeeper import (
    OutcomeUnknown,
    RedisSessionStore,
    StoreClosed,
    StoreUnavailable,
)

pytestmark = pytest.mark.parametrize("engine", ["redis"], indirect=True)

SCRIPT = "EVALSHA"
PATIENCE = 2.0
"""Of a call that is to fail; on its way until then it takes less, however busy the machine is."""
GIVES_UP = "?socket_timeout=3"
"""Of a store without patience: longer than a busy machine takes to answer what is not held."""


@asynccontextmanager
async def opened(url: str, prefix: str, **options: Any) -> AsyncIterator[RedisSessionStore]:
    """A filled store."""
    patience = options.pop("patience", AMPLE)
    async with RedisSessionStore(
        url, prefix=prefix.rstrip(":"), patience=AMPLE, **options
    ) as store:
        await fill(store)
        set_patience(store, patience)
        yield store


async def lose(
    store: RedisSessionStore,
    proxy: FaultProxy,
    call: Callable[[], Awaitable[object]],
    *,
    applied: bool,
) -> OutcomeUnknown:
    """Take the server away in the middle of a call, before or after it is applied."""
    set_patience(store, PATIENCE)
    way = proxy.replies if applied else proxy.requests
    held = way.hold(SCRIPT)
    calling = asyncio.ensure_future(call())
    await held.reached()
    proxy.refuse()
    await proxy.cut()
    with pytest.raises(OutcomeUnknown) as told:
        await calling
    set_patience(store, AMPLE)
    way.clear()
    await proxy.listen()
    return told.value


@pytest.mark.parametrize("applied", [True, False], ids=["applied", "not applied"])
async def test_it_can_be_asked_later_whether_a_write_was_applied(
    applied: bool, server: RedisServer, key_prefix: str
) -> None:
    """For every kind of write, repeatedly, by the same store and by another one."""

    async def ask(name: str) -> None:
        prefix = f"{key_prefix[:-1]}-{[*WRITES].index(name)}"
        async with (
            proxied(server.port) as proxy,
            opened(proxy.url, prefix) as store,
            RedisSessionStore(server.url, prefix=prefix) as other,
        ):
            if name == "remove_frames":
                await store.remove_frames("b", ())  # the first one has to raise the layout before
            before = await picture(other)
            lost = await lose(store, proxy, lambda: WRITES[name](store), applied=applied)
            assert (await picture(other) != before) is (applied and name != "touch_session"), name
            for asked in (store, other, store):
                assert await asked.resolve(lost.operation_id) is applied, name
            assert await store.add_frame(note(9, "b")) == 3

    await asyncio.gather(*(ask(name) for name in WRITES if "at once" not in name))


async def test_any_process_can_ask(server: RedisServer, proxy: FaultProxy, key_prefix: str) -> None:
    """An id is all it needs."""
    processes = redis_workers()
    try:
        async with opened(proxy.url, key_prefix) as store:
            lost = await lose(store, proxy, lambda: store.add_frame(note(7)), applied=True)
            asked = processes.start("resolve", server.url, key_prefix[:-1], lost.operation_id)
            assert await asyncio.to_thread(processes.hear, asked, "ready") == "ready True"
    finally:
        processes.close()


async def test_a_write_reported_as_not_applied_is_never_applied(
    server: RedisServer, proxy: FaultProxy, key_prefix: str
) -> None:
    """However late it arrives; a write that was given up is not applied after a later write."""
    async with (
        opened(proxy.url + GIVES_UP, key_prefix, patience=0.0) as store,
        RedisSessionStore(server.url, prefix=key_prefix[:-1]) as other,
    ):
        for asks in (True, False):
            held = proxy.requests.hold(SCRIPT)
            with pytest.raises(OutcomeUnknown) as told:
                await store.add_frame(note(7))
            if asks:
                assert await other.resolve(told.value.operation_id) is False
            seq = await store.add_frame(note(8))
            before, calls = await picture(other), ran(server)
            held.release()
            await asyncio.to_thread(until, partial(more, server, calls), "it has arrived")
            assert await picture(other) == before
            assert await store.resolve(told.value.operation_id) is False
            assert await store.add_frame(note(9)) == seq + 1
        await add_up(other)


async def test_a_resolved_write_is_not_applied_later_even_without_another_write(
    server: RedisServer, proxy: FaultProxy, key_prefix: str
) -> None:
    """`resolve` itself ends the writer's epoch: it does not wait for a later write to do so."""
    async with (
        opened(proxy.url + GIVES_UP, key_prefix, patience=0.0) as store,
        RedisSessionStore(server.url, prefix=key_prefix[:-1]) as other,
    ):
        before = await picture(other)
        held = proxy.requests.hold(SCRIPT)
        with pytest.raises(OutcomeUnknown) as told:
            await store.add_frame(note(7))
        assert await other.resolve(told.value.operation_id) is False
        calls = ran(server)
        held.release()
        await asyncio.to_thread(until, partial(more, server, calls), "it has arrived")
        assert await picture(other) == before
        assert await other.resolve(told.value.operation_id) is False


def more(server: RedisServer, before: int) -> bool:
    return ran(server) > before


def ran(server: RedisServer) -> int:
    """How many scripts the server has run."""
    stats: Any = server.say("INFO", "commandstats")
    return int(stats["cmdstat_evalsha"]["calls"])


async def test_an_outcome_is_unknown_when_the_server_has_forgotten_it(fleet: Fleet) -> None:
    """Its data, or, after a time or many more writes, that operation."""
    server = fleet.start()

    async def flushed(_: RedisSessionStore) -> None:
        server.say("FLUSHALL")

    async def restarted(_: RedisSessionStore) -> None:
        await asyncio.to_thread(server.restart, keep_data=False)

    async def flushed_and_filled(store: RedisSessionStore) -> None:
        server.say("FLUSHALL")
        await fill(store)

    async def overrun(store: RedisSessionStore) -> None:
        for n in range(5):
            await store.add_frame(note(n))

    async def waited(_: RedisSessionStore) -> None:
        # What the store left is shortened: while a test waits for the whole of it, a slow machine
        # could let the writer's epoch grow old in the middle of the write that is to be lost.
        for key in server.say("KEYS", "*:w:*"):
            assert 0 < int(server.say("PTTL", key)) <= 20_000 * 1.25
            server.say("PEXPIRE", key, "1")
        await asyncio.to_thread(until, lambda: not server.say("KEYS", "*:w:*"), "it is forgotten")

    for forget, options in (
        (flushed, {}),
        (restarted, {}),
        (flushed_and_filled, {}),
        (overrun, {"capacity": 1}),
        (waited, {"window": 20.0}),
    ):
        for applied in (True, False):
            server.say("FLUSHALL")
            async with proxied(server.port) as proxy, opened(proxy.url, "p", **options) as store:
                lost = await lose(store, proxy, partial(store.add_frame, note(7)), applied=applied)
                await forget(store)
                with pytest.raises(OutcomeUnknown) as told:
                    await store.resolve(lost.operation_id)
                assert told.value.operation_id == lost.operation_id


async def test_an_id_that_no_store_gave_is_refused(server: RedisServer, key_prefix: str) -> None:
    """Also one that would name another key."""
    writer = "0123456789abcdef"
    async with opened(server.url, key_prefix) as store:
        for wrong in (
            *("", "x", "1.2.3", f"{writer}.2.0.x", f"{writer}.2.0.-1", f"{writer}.0.0.1"),
            *(f"{writer}.2.1.1", f"{writer}.2.0.0", f"{writer}.2.0.1.1", f"{writer[:-1]}.2.0.1"),
            *(f"{writer[:-1]}}}.2.0.1", f"{writer[:-1]}é.2.0.1", f"{writer}.2.0.{'9' * 5000}"),
        ):
            with pytest.raises(ValueError, match="not an operation's id"):
                await store.resolve(wrong)
        for none in (None, 7, b"x"):
            with pytest.raises(TypeError):
                await store.resolve(none)  # type: ignore[arg-type]  # on purpose
        with pytest.raises(OutcomeUnknown):
            await store.resolve(f"{writer}.2.0.1")


async def test_a_call_that_was_not_sent_is_not_applied(
    server: RedisServer, proxy: FaultProxy, key_prefix: str
) -> None:
    """`StoreUnavailable`, for every kind; and the store recovers without being opened again."""
    async with opened(proxy.url, key_prefix) as store:
        async with RedisSessionStore(server.url, prefix=key_prefix[:-1]) as other:
            before = await picture(other)
        proxy.refuse()
        await proxy.cut()
        set_patience(store, PATIENCE)
        calls = [write(store) for write in WRITES.values()]
        told = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(each) for each in told} == {StoreUnavailable}
        set_patience(store, AMPLE)
        await proxy.listen()
        assert await picture(store) == before


async def test_an_answered_caller_does_not_wait_for_the_others(
    proxy: FaultProxy, key_prefix: str
) -> None:
    """In one batch: a caller without an outcome at closing is not told "no effect"."""
    async with opened(proxy.url, key_prefix, patience=60.0) as store:
        cut = proxy.replies.cut(SCRIPT, at=0, skip=1)
        first = asyncio.ensure_future(store.create_session(session("new")))
        second = asyncio.ensure_future(store.delete_session("b"))
        await cut.reached()
        proxy.refuse()
        assert (await first).id == "new"
        assert not second.done()
        await store.aclose(timeout=0.0)
        with pytest.raises(OutcomeUnknown) as told:
            await second
    await proxy.listen()
    async with RedisSessionStore(proxy.url, prefix=key_prefix[:-1]) as other:
        assert await other.resolve(told.value.operation_id) is True


async def test_a_store_closes_although_its_server_is_silent(
    server: RedisServer, proxy: FaultProxy, key_prefix: str
) -> None:
    """Sent writes have an unknown outcome that `resolve` finds; queued ones had no effect."""
    async with opened(proxy.url, key_prefix, patience=60.0) as store:
        held = proxy.requests.hold()
        sent = asyncio.ensure_future(store.add_frame(note(7)))
        await held.reached()
        queued = [asyncio.ensure_future(write(store)) for write in WRITES.values()]
        await asyncio.sleep(0)
        await store.aclose(timeout=0.01)
        with pytest.raises(OutcomeUnknown) as told:
            await sent
        answers = await asyncio.gather(*queued, return_exceptions=True)
        assert {type(each) for each in answers} == {StoreClosed}
    async with RedisSessionStore(server.url, prefix=key_prefix[:-1]) as other:
        assert await other.resolve(told.value.operation_id) is False
        assert await other.count_frames("a") == 3


@pytest.mark.parametrize("lost", ["reply", "script", "nothing"])
async def test_a_write_waits_for_replicas_however_it_got_there(lost: str, fleet: Fleet) -> None:
    """Also one that was sent again, and one whose answer was found in the writer log."""
    server = fleet.start()
    replica = fleet.start_replica(server)
    waits: dict[str, Any] = {"wait_replicas": 1, "patience": 20.0}
    async with opened(server.url, "p", **waits, wait_timeout=20.0) as store:
        await store.touch_session("a")
    async with (
        proxied(server.port) as proxy,
        RedisSessionStore(proxy.url, prefix="p", **waits, wait_timeout=2.0) as store,
    ):
        await store.touch_session("a")
        replica.freeze()
        if lost == "reply":
            proxy.replies.cut(SCRIPT, at=0)
        elif lost == "script":
            server.say("SCRIPT", "FLUSH")
        with pytest.raises(OutcomeUnknown) as told:
            await store.touch_session("a")
        replica.thaw()
        assert await store.resolve(told.value.operation_id) is True


async def test_waiting_on_another_connection_counts_for_nothing(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may lead to another server with replicas: it has written nothing."""
    server, successor = fleet.start(), fleet.start()
    replica = fleet.start_replica(server)
    fleet.start_replica(successor)
    async with (
        proxied(server.port) as proxy,
        RedisSessionStore(proxy.url, prefix="p", wait_replicas=1, wait_timeout=20.0) as store,
    ):
        await store.create_session(session("a"))
        servers: Any = store._runner.resources.servers
        exchange = servers.exchange

        async def take_over(calls: Any, until: float | None = None) -> Any:
            if calls[0].command[0] == "WAIT":  # the write has been answered
                proxy.server_port = successor.port
                servers._node.drop("another server has the name")
            return await exchange(calls, until)

        replica.freeze()
        monkeypatch.setattr(servers, "exchange", take_over)
        with pytest.raises(OutcomeUnknown):
            await store.touch_session("a")
        assert int(successor.say("INFO", "commandstats")["cmdstat_wait"]["calls"]) == 1
        replica.thaw()


async def test_writes_to_many_buckets_wait_once_for_their_replicas(cluster: Cluster) -> None:
    """Once a node: where a replica is away, each wait takes all of its time, one after another."""

    def waits() -> int:
        stats: list[Any] = [node.say("INFO", "commandstats") for node in cluster.primaries()]
        return sum(int(each.get("cmdstat_wait", {"calls": 0})["calls"]) for each in stats)

    url = cluster.url.replace("redis://", "redis+cluster://")
    name = f"waits-{cluster.nodes[0].port}"
    async with RedisSessionStore(
        url, prefix=name, buckets=24, wait_replicas=1, wait_timeout=20.0, patience=20.0
    ) as store:
        await asyncio.gather(*(store.create_session(session(f"s{n}")) for n in range(60)))
        before = waits()
        await asyncio.gather(*(store.touch_session(f"s{n}") for n in range(60)))
        assert 1 <= waits() - before <= 3
