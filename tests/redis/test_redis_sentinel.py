"""A store on the primary of sentinels: found, followed when another takes over, or said why not."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import redis
from redis_fleet import Fleet
from redis_operations import add_up, note, session
from redis_sentinel import SERVICE, Sentinel
from redis_server import RedisServer, until
from sessionkeeper import OutcomeUnknown, RedisSessionStore, StoreUnavailable

CANARY = "canary p@ss/word:#%"
QUOTED = "canary%20p%40ss%2Fword%3A%23%25"


def url_of(sentinels: Sequence[RedisServer], service: str = SERVICE, query: str = "") -> str:
    """The URL that names these sentinels."""
    hosts = ",".join(f"127.0.0.1:{each.port}" for each in sentinels)
    return f"redis+sentinel://{hosts}/{service}{query}"


async def add(store: RedisSessionStore, n: int) -> int:
    """Append a frame, whatever happens to the server meanwhile; it is appended once."""
    while True:
        try:
            return await store.add_frame(note(n))
        except StoreUnavailable:
            continue
        except OutcomeUnknown as unknown:
            if await store.resolve(unknown.operation_id):
                return (await store.get_session("a")).last_seq


def _names(sentinel: Sentinel, port: int) -> bool:
    return sentinel.primary() == port


def _is_replica(server: RedisServer) -> bool:
    with suppress(redis.ConnectionError):  # who is demoted closes its connections
        return bool(server.info("role") == "slave")
    return False


async def until_primary(sentinels: Sequence[Sentinel], port: int) -> None:
    """Wait until all sentinels name this server."""
    for each in sentinels:
        names = partial(_names, each, port)
        await asyncio.to_thread(until, names, "the sentinels agree")


async def test_a_store_is_opened_on_the_primary_that_the_sentinels_name(fleet: Fleet) -> None:
    """Though one of them is not there and another one says nothing; the database is in the URL."""
    primary = fleet.start()
    working, silent = fleet.start_sentinels(primary, 2)
    away = fleet.prepare()
    url = url_of([away, silent, working], query="/3?socket_connect_timeout=2")
    silent.freeze()
    async with RedisSessionStore(url) as store:
        await store.create_session(session("a"))
    silent.thaw()
    keys = primary.say("INFO", "keyspace")
    assert set(keys) == {"db3"}


async def test_a_failover_is_followed(fleet: Fleet) -> None:
    """The primary is killed: calls wait, and go on with the server that took over."""
    primary = fleet.start()
    replica = fleet.start_replica(primary)
    sentinels = fleet.start_sentinels(primary, 3, replicas=1)
    async with RedisSessionStore(url_of(sentinels), patience=20.0) as store:
        await store.create_session(session("a"))
        watcher = store.watch_frames("a")
        assert await add(store, 1) == 1
        assert (await anext(watcher)).seq == 1
        until(lambda: replica.say("XLEN", "{sessionkeeper:0}:l:a") == 1, "the replica has it")
        primary.kill()
        assert await add(store, 2) == 2
        assert (await anext(watcher)).seq == 2
        await until_primary(sentinels, replica.port)
        assert replica.info("role") == "master"
        assert [frame.seq for frame in await store.read_frames("a")] == [1, 2]
        await watcher.aclose()
        await add_up(store)
    # What comes back is a replica now: whoever opens the store then gets to the other one.
    primary.start()
    async with RedisSessionStore(url_of(sentinels)) as store:
        assert await store.count_frames("a") == 2


@pytest.mark.parametrize("engine", ["valkey"], indirect=True)  # it is demoted ten seconds later
async def test_a_replaced_primary_that_still_answers_is_disconnected(fleet: Fleet) -> None:
    """Its connection stays open: its role says that the sentinels are to be asked again."""
    primary = fleet.start()
    replica = fleet.start_replica(primary)
    sentinels = fleet.start_sentinels(primary, 3, replicas=1)
    async with RedisSessionStore(url_of(sentinels), patience=20.0) as store:
        await store.create_session(session("a"))
        sentinels[0].say("SENTINEL", "FAILOVER", SERVICE)
        await until_primary(sentinels, replica.port)
        await asyncio.to_thread(until, lambda: _is_replica(primary), "it was demoted")
        assert await add(store, 1) == 1
        assert replica.say("XLEN", "{sessionkeeper:0}:l:a") == 1


async def test_a_sentinel_that_knows_of_no_failover_is_not_believed(fleet: Fleet) -> None:
    """It was cut off when the others replaced the primary, and answers first."""
    old, primary = fleet.start(), fleet.start()
    replica = fleet.start_replica(primary)
    (cut_off,) = fleet.start_sentinels(old, 1)
    sentinels = fleet.start_sentinels(primary, 2, replicas=1)
    sentinels[0].say("SENTINEL", "FAILOVER", SERVICE)
    await until_primary(sentinels, replica.port)
    for url in (url_of([cut_off, *sentinels]), url_of([*sentinels, cut_off])):
        async with RedisSessionStore(url, patience=20.0) as store:
            await store.get_or_create_session(session("a"))
    assert old.say("DBSIZE") == 0
    assert replica.say("EXISTS", "{sessionkeeper:0}:s:a") == 1


async def test_users_and_passwords_are_for_the_primary_or_for_the_sentinels(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    """Each has its own; none is shown when it is wrong."""
    caplog.set_level("DEBUG")
    primary = fleet.start()
    primary.add_user("data", CANARY, "~*", "+@all")
    (sentinel,) = fleet.start_sentinels(primary, 1)
    sentinel.say("ACL", "SETUSER", "asks", "on", f">{CANARY}", "+hello", "+client|setname",
                 "+sentinel|get-master-addr-by-name")  # fmt: skip
    sentinel.say("ACL", "SETUSER", "default", "resetpass", "-@all")
    port = sentinel.port

    def url(data: str, asks: str) -> str:
        query = f"?sentinel_username=asks&sentinel_password={asks}"
        return f"redis+sentinel://data:{data}@127.0.0.1:{port}/{SERVICE}{query}"

    async with RedisSessionStore(url(QUOTED, QUOTED)) as store:
        await store.create_session(session("a"))
        shown = [repr(store), store.server_info]
    for wrong in (url("canary-no", QUOTED), url(QUOTED, "canary-no")):
        with pytest.raises(StoreUnavailable, match="refused the user or the password") as error:
            await RedisSessionStore(wrong, patience=0.5).open()
        shown.append("".join(traceback.format_exception(error.value)))
    assert "canary" not in f"{shown} {caplog.text}".replace("canary_", "")


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("another name", "knows no primary of this name"),
        ("a server", "is no sentinel"),
        ("nobody", "it cannot be reached"),
        ("silence", "it did not answer in time"),
    ],
)
async def test_the_error_says_for_each_sentinel_why_no_primary_was_found(
    what: str, reason: str, fleet: Fleet
) -> None:
    """By its host and port, in one sentence."""
    primary = fleet.start()
    asked: list[Any] = [fleet.prepare()]
    service = SERVICE
    if what == "a server":
        asked = [primary]
    elif what != "nobody":
        asked = fleet.start_sentinels(primary, 1)
        service = "other" if what == "another name" else SERVICE
        if what == "silence":
            asked[0].freeze()
    url = url_of(asked, service, "?socket_connect_timeout=1" if what == "silence" else "")
    with pytest.raises(StoreUnavailable) as error:
        await RedisSessionStore(url, patience=0.5).open()
    assert reason in error.value.reason
    assert error.value.reason.startswith(f"{service}: 127.0.0.1:{asked[0].port}")
