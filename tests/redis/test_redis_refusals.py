"""A server that does not serve any more, on a connection that stays open: the store goes elsewhere.

A name, or a proxy, leads to the new primary by then. Who kept a connection to the old one would be
refused there for ever, wherever in an answer that is said.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
import redis
from redis_fleet import Fleet
from redis_operations import WRITES, add_up, fill, note, session
from redis_proxy import FaultProxy, proxied
from redis_server import RedisServer, until
from sessionkeeper import OutcomeUnknown, RedisSessionStore, StoreUnavailable
from sessionkeeper.backends.redis.client.address import RedisAddress
from sessionkeeper.backends.redis.client.call import Call, Refused
from sessionkeeper.backends.redis.client.refusals import (
    is_not_run,
    is_transient,
    needs_reconnect,
    read_refusal,
)
from sessionkeeper.backends.redis.client.single_server import SingleServer

OLD_SCRIPT = "ERR Error running script (call to f_6b1bf486c81ceb7edf3c093f4c48582e38c0e791): "


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("READONLY You can't write against a read only replica.", "READONLY"),
        ("READONLY You can't write. script: 6b1bf4, on @user_script:1.", "READONLY"),
        ("READONLY You can't write., in script: append", "READONLY"),
        (OLD_SCRIPT + "@user_script:1: @user_script: 1: -READONLY You can't write", "READONLY"),
        (OLD_SCRIPT + "@user_script:17: -OOM command not allowed", "OOM"),
        ("ERR user_script:1: -NOREPLICAS Not enough good replicas", "NOREPLICAS"),
        ("ERR WAIT cannot be used with replica instances. Please", "READONLY"),
        ("UNBLOCKED force unblock from blocking operation, instance state", "UNBLOCKED"),
        ("ERR Script attempted to execute a command while the cluster is down", "CLUSTERDOWN"),
        ("ERR The user executing the script can't run this command script: x", "NOPERM"),
        ("ERR ACL failure in script: User u has no permissions", "NOPERM"),
        ("LOADING Redis is loading the dataset in memory", "LOADING"),
        ("ERR unknown command 'X', with args beginning with: 'READONLY no'", "ERR"),
        ("ERR READONLYLY", "READONLYLY"),
        ("ERR", "ERR"),
        ("user_script:31: attempt to index nil, in script: append", "user_script:31:"),
    ],
)
def test_the_code_of_an_error_is_found_however_it_is_wrapped(text: str, code: str) -> None:
    """In the wording of each version, and never in quoted text."""
    assert read_refusal(text).code == code


def test_an_error_inside_a_script_does_not_repeat_it() -> None:
    """Only the server's own word says that a call did not run."""
    assert is_not_run(read_refusal("MOVED 3999 127.0.0.1:6381"))
    assert is_not_run(read_refusal("NOSCRIPT No matching script."))
    assert not is_not_run(read_refusal(OLD_SCRIPT + "@user_script:1: -MOVED 3999 127.0.0.1:6381"))


async def test_an_error_deep_in_an_answer_is_seen(fleet: Fleet) -> None:
    """In a script's list in a list, and in the answer to EXEC: the connection is left."""
    server = fleet.start()
    server.say("REPLICAOF", "127.0.0.1", 1)
    nested = "return {{{redis.pcall('SET', 'x', '1')}}, 'more'}"
    for calls in (
        [("EVAL", nested, 0)],
        [("MULTI",), ("EVAL", nested, 0), ("EXEC",)],
    ):
        servers = SingleServer(RedisAddress.of(server.url))
        try:
            # Before that it is not asked what it is: only the error says so.
            servers._check_role_at = float("inf")
            await servers.exchange([Call(0, words) for words in calls])
            assert "READONLY" in servers.last_error
        finally:
            await servers.aclose()


async def _demoted(old: RedisServer, new: RedisServer) -> None:
    """A managed failover: the old primary follows the new one, and keeps its clients."""
    await asyncio.to_thread(old.say, "REPLICAOF", "127.0.0.1", new.port)


async def _stale(old: RedisServer, _: RedisServer) -> None:
    """It follows a missing primary, and returns no old data meanwhile."""
    await asyncio.to_thread(old.configure, "replica-serve-stale-data", "no")
    await asyncio.to_thread(old.say, "REPLICAOF", "127.0.0.1", 1)


async def _lonely(old: RedisServer, _: RedisServer) -> None:
    """It was cut off from its replicas, of which one was promoted."""
    await asyncio.to_thread(old.configure, "min-replicas-to-write", 1)


async def _busy(old: RedisServer, _: RedisServer) -> None:
    """It hangs in another client's script, and was replaced by a failover."""

    def endless() -> None:
        with suppress(redis.RedisError):
            old.say("EVAL", "while true do end", 0)

    running = asyncio.create_task(asyncio.to_thread(endless))
    _ENDLESS.add(running)
    running.add_done_callback(_ENDLESS.discard)
    await asyncio.to_thread(until, partial(_refuses, old, "BUSY"), "it is busy")


async def _loading(old: RedisServer, _: RedisServer) -> None:
    """It loads its file again, slowly."""
    old.configure("key-load-delay", 100_000)
    old.configure("loading-process-events-interval-bytes", 1024)
    for n in range(60):
        old.say("SET", f"filler{n}", secrets.token_bytes(4096))

    def reload() -> None:
        with suppress(redis.RedisError):
            old.say("DEBUG", "RELOAD")

    running = asyncio.create_task(asyncio.to_thread(reload))
    _ENDLESS.add(running)
    running.add_done_callback(_ENDLESS.discard)
    await asyncio.to_thread(until, partial(_refuses, old, "LOADING"), "it is loading")


_ENDLESS: set[asyncio.Task[None]] = set()
STATES = {
    "READONLY": _demoted,
    "MASTERDOWN": _stale,
    "NOREPLICAS": _lonely,
    "BUSY": _busy,
    "LOADING": _loading,
}


def _refuses(server: RedisServer, code: str) -> bool:
    try:
        server.say("GET", "filler")
    except redis.BusyLoadingError:
        return code == "LOADING"
    except redis.ResponseError as error:
        return str(error).startswith(code)
    return False


Switch = Callable[[], Any]


@asynccontextmanager
async def pair(fleet: Fleet, state: str) -> AsyncIterator[tuple[FaultProxy, RedisServer, Switch]]:
    """A proxy to a primary, its replica, and what has the replica take over, as behind a name."""
    old = fleet.start(busy_reply_threshold=1, save="")
    new = fleet.start_replica(old)

    async def switch() -> None:
        last = partial(_offset, old, new)
        await asyncio.to_thread(until, last, "the replica has everything")
        await asyncio.to_thread(new.say, "REPLICAOF", "NO", "ONE")
        proxy.server_port = new.port
        await STATES[state](old, new)

    async with proxied(old.port) as proxy:
        try:
            yield proxy, new, switch
        finally:
            old.kill()
            if _ENDLESS:
                await asyncio.wait([*_ENDLESS])


def _offset(old: RedisServer, new: RedisServer) -> bool:
    return bool(old.info("master_repl_offset") == new.info("slave_repl_offset"))


@pytest.mark.parametrize("state", STATES)
async def test_every_write_follows_the_new_primary(state: str, fleet: Fleet) -> None:
    """Each kind, in a store of its own, on the connection it had: done once, nothing lost."""
    async with pair(fleet, state) as (proxy, new, switch):
        stores = {
            name: await RedisSessionStore(proxy.url, prefix=f"p{n}", patience=30.0).open()
            for n, name in enumerate(WRITES)
        }
        try:
            for store in stores.values():
                await fill(store)
            await switch()
            async with asyncio.timeout(300):
                await asyncio.gather(*(WRITES[name](store) for name, store in stores.items()))
                for store in stores.values():
                    await add_up(store)
                frames = await asyncio.gather(*(s.count_frames("b") for s in stores.values()))
        finally:
            await asyncio.gather(*(store.aclose() for store in stores.values()))
        expected = [12 if name == "add_frame, twenty at once" else 2 for name in WRITES]
        assert frames == expected
        for n in range(len(WRITES)):
            async with RedisSessionStore(new.url, prefix=f"p{n}") as store:
                assert await store.count_frames("b") == expected[n]


@pytest.mark.parametrize("state", ["READONLY", "MASTERDOWN", "BUSY", "LOADING"])
async def test_a_reader_follows_the_new_primary(state: str, fleet: Fleet) -> None:
    """A replica answers reads, so its role is checked and its answer is discarded."""
    async with (
        pair(fleet, state) as (proxy, new, switch),
        RedisSessionStore(proxy.url, patience=30.0) as store,
    ):
        await fill(store)
        await switch()
        async with RedisSessionStore(new.url) as other, asyncio.timeout(300):
            before = proxy.accepted
            while proxy.accepted == before:
                await store.count_frames("a")
                await asyncio.sleep(0.01)
            await other.add_frame(note(9))
            assert await store.count_frames("a") == 4
            assert (await store.get_session("a")).last_seq == 4


@pytest.mark.parametrize("state", ["READONLY", "MASTERDOWN"])
async def test_a_watcher_follows_the_new_primary(state: str, fleet: Fleet) -> None:
    """The connection for the change feed is closed as well, and so is the one that reads."""
    async with (
        pair(fleet, state) as (proxy, new, switch),
        RedisSessionStore(proxy.url, patience=30.0) as store,
    ):
        await store.create_session(session("a"))
        seen: list[int] = []

        async def watch() -> None:
            async for frame in store.watch_frames("a"):
                seen.append(frame.seq)

        watching = asyncio.ensure_future(watch())
        watched = partial(new.say, "HGET", "{sessionkeeper:0}:meta", "watched")
        await asyncio.to_thread(until, watched, "news are written")
        await switch()
        async with RedisSessionStore(new.url) as other, asyncio.timeout(300):
            for n in range(5):
                await other.add_frame(note(n))
            while len(seen) < 5:
                await asyncio.sleep(0.01)
            closed = {"state": "closed"}
            await other.modify_session("a", lambda each: each.model_copy(update=closed))
            await watching
        assert seen == [1, 2, 3, 4, 5]


async def refusal(call: Callable[[], Awaitable[object]]) -> str:
    """Return why a call is refused; a slow machine may take several to hear the answer in time."""
    for _ in range(20):
        try:
            await call()
        except OutcomeUnknown:
            continue
        except StoreUnavailable as error:
            if "does not answer" not in str(error):
                return str(error)
        else:
            pytest.fail("it was not refused")
    pytest.fail("no answer was heard")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("READONLY", "is a replica"),
        ("MASTERDOWN", "replica without its primary"),
        ("NOREPLICAS", "too few replicas"),
    ],
)
async def test_without_a_server_callers_get_the_reason(
    state: str, reason: str, fleet: Fleet
) -> None:
    """The error does not say that the server is silent, because it answers."""
    async with (
        pair(fleet, state) as (proxy, _, switch),
        RedisSessionStore(proxy.url, patience=2.0) as store,
    ):
        await fill(store)
        port = proxy.server_port
        await switch()
        proxy.server_port = port  # the name has not followed
        for _ in range(2):
            assert reason in await refusal(lambda: store.add_frame(note(7)))
        if state != "NOREPLICAS":  # a lonely primary cannot be told from one that has a quiet day
            assert reason in await refusal(lambda: store.count_frames("a"))


def test_a_late_message_of_a_closed_connection_has_no_effect() -> None:
    """Then the same call can be sent on the next connection."""
    for code in ("READONLY", "MASTERDOWN", "NOREPLICAS", "LOADING", "BUSY", "UNBLOCKED"):
        refused = Refused(code, code)
        assert needs_reconnect(refused)
        assert is_transient(refused)
    assert not needs_reconnect(Refused("OOM", "OOM"))
