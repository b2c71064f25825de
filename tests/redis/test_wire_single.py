"""One server through its bad days: each call runs once at most, and the next one finds it again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis_fleet import Fleet
from redis_proxy import FaultProxy
from redis_server import RedisServer
from sessionkeeper.backends.redis.client.address import RedisAddress
from sessionkeeper.backends.redis.client.call import Call, DeliveryStatus, Refused, Script
from sessionkeeper.backends.redis.client.refusals import is_partial, is_transient
from sessionkeeper.backends.redis.client.single_server import SingleServer

TEXT = b"return redis.call('RPUSH', KEYS[1], ARGV[1])"
PUSH = Script("push", lambda: TEXT)


def push(key: str, value: object) -> Call:
    return Call(0, ("EVALSHA", PUSH.digest, 1, key, str(value)), PUSH)


@asynccontextmanager
async def served(url: str, timeout: float = 20.0) -> AsyncIterator[SingleServer]:
    servers = SingleServer(RedisAddress.of(url, timeout=timeout))
    try:
        yield servers
    finally:
        await servers.aclose()


async def test_a_script_is_loaded_with_its_first_call(
    server: RedisServer, proxy: FaultProxy, key_prefix: str
) -> None:
    """In the same batch, once a connection."""
    server.say("SCRIPT", "FLUSH")
    async with served(proxy.url) as servers:
        key = f"{key_prefix}list"
        assert await servers.exchange([push(key, 1), push(key, 2)]) == [1, 2]
        assert await servers.exchange([push(key, 3)]) == [3]
        assert proxy.requests.counted["SCRIPT"] == 1


async def test_a_flushed_script_is_loaded_again_and_only_calls_that_did_not_run_are_repeated(
    server: RedisServer, key_prefix: str
) -> None:
    """`NOSCRIPT` means that it did not run; earlier answers stay valid."""
    async with served(server.url) as servers:
        key = f"{key_prefix}list"
        flush = Call(0, ("SCRIPT", "FLUSH"))
        answers = await servers.exchange([push(key, 1), flush, push(key, 2), push(key, 3)])
        assert answers == [1, b"OK", 2, 3]
    assert server.say("LRANGE", key, 0, -1) == ["1", "2", "3"]


async def test_a_lost_call_is_not_sent_again(
    server: RedisServer, proxy: FaultProxy, key_prefix: str
) -> None:
    """Earlier answers are not lost, either."""
    async with served(proxy.url) as servers:
        key = f"{key_prefix}list"
        await servers.exchange([push(key, 0)])
        proxy.replies.cut("EVALSHA", at=0, skip=1)
        assert await servers.exchange([push(key, n) for n in (1, 2, 3)]) == [
            2,
            *[DeliveryStatus.NO_REPLY] * 2,
        ]
        before = servers.generation(0)
        assert "closed" in servers.last_error or "lost" in servers.last_error
        await servers.exchange([Call(0, ("PING",))])
        assert servers.generation(0) > before
    assert server.say("LRANGE", key, 0, -1) == ["0", "1", "2", "3"]


async def test_the_next_exchange_after_a_cancelled_one_gets_its_own_answers(
    proxy: FaultProxy,
) -> None:
    """On a connection of its own."""
    async with served(proxy.url) as servers:
        held = proxy.replies.hold("ECHO")
        first = asyncio.ensure_future(servers.exchange([Call(0, ("ECHO", "old"))]))
        await held.reached()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        held.release()
        assert await servers.exchange([Call(0, ("ECHO", "new"))]) == [b"new"]
        assert proxy.accepted == 2


async def test_exchanges_begun_while_connecting_are_sent_in_their_order(
    server: RedisServer, proxy: FaultProxy, key_prefix: str
) -> None:
    """All wait for one attempt; one that is cancelled meanwhile is not sent."""
    async with served(proxy.url) as servers:
        held = proxy.replies.hold("HELLO")
        key = f"{key_prefix}list"
        waiting = [asyncio.ensure_future(servers.exchange([push(key, n)])) for n in range(10)]
        await held.reached()
        waiting[3].cancel()
        held.release()
        late = asyncio.ensure_future(servers.exchange([push(key, "late")]))
        await asyncio.wait([*waiting, late])
        assert proxy.accepted == 1
        assert await late == [10]
    pushed = [str(n) for n in range(10) if n != 3]
    assert server.say("LRANGE", key, 0, -1) == [*pushed, "late"]


async def test_without_a_server_calls_are_not_sent_and_each_exchange_tries_once(
    proxy: FaultProxy,
) -> None:
    """The caller may wait in between."""
    async with served(proxy.url) as servers:
        await servers.exchange([Call(0, ("PING",))])
        proxy.refuse()
        await proxy.cut()
        calls = [Call(0, ("PING",))] * 2
        while (answers := await servers.exchange(calls)) == [DeliveryStatus.NO_REPLY] * 2:
            pass  # The end of the old connection had not been seen yet.
        assert answers == [DeliveryStatus.NOT_SENT] * 2
        assert "cannot be reached" in servers.last_error
        await proxy.listen()
        assert await servers.exchange(calls) == [b"PONG"] * 2
        assert servers.last_error == ""


async def test_a_server_that_was_killed_and_started_again_is_found_with_its_scripts_gone(
    fleet: Fleet,
) -> None:
    """The connection ended, so scripts are given anew."""
    server = fleet.start(appendonly="yes", appendfsync="always")
    async with served(server.url) as servers:
        assert await servers.exchange([push("list", 1)]) == [1]
        await asyncio.to_thread(server.restart)
        answers: list[Any] = await servers.exchange([push("list", 2)])
        while answers[0] in (DeliveryStatus.NO_REPLY, DeliveryStatus.NOT_SENT):
            answers = await servers.exchange([push("list", 2)])
        assert answers == [2]


async def test_a_primary_that_became_a_replica_is_transient_and_reconnected(
    fleet: Fleet,
) -> None:
    """A name may lead to the new primary by then."""
    server = fleet.start()
    async with served(server.url) as servers:
        assert await servers.exchange([push("list", 1)]) == [1]
        server.say("REPLICAOF", "127.0.0.1", 1)
        before = servers.generation(0)
        (refused,) = await servers.exchange([push("list", 2)])
        assert isinstance(refused, Refused)
        assert refused.code in {"READONLY", "MASTERDOWN"}
        assert is_transient(refused)
        assert not is_partial(refused)
        server.say("REPLICAOF", "NO", "ONE")
        assert await servers.exchange([push("list", 3)]) == [2]
        assert servers.generation(0) > before or refused.code == "MASTERDOWN"


async def test_a_refusal_of_a_full_server_is_not_transient(fleet: Fleet) -> None:
    """It may stay full: the caller gets `OOM`."""
    server = fleet.start(maxmemory_policy="noeviction")
    server.configure("maxmemory", 1)
    async with served(server.url) as servers:
        (refused,) = await servers.exchange([push("list", 1)])
        assert refused.code == "OOM"
        assert not is_transient(refused)
        assert not is_partial(refused)
    server.configure("maxmemory", 0)
    assert server.say("EXISTS", "list") == 0


async def test_a_user_who_may_not_load_scripts_is_told_that(
    server: RedisServer, key_prefix: str
) -> None:
    """Not that there is no script."""
    server.say("SCRIPT", "FLUSH")
    url = server.add_user("no-scripts", "pass", "~*", "+@all", "-script|load")
    async with served(url) as servers:
        (refused,) = await servers.exchange([push(f"{key_prefix}list", 1)])
        assert refused.code == "NOPERM"


async def test_a_callers_mistake_while_connecting_blocks_no_other_caller(
    server: RedisServer,
) -> None:
    """The caller at fault gets it; the others get an error of the connection."""
    async with served(server.url) as servers:
        words: list[Any] = ["a", object(), "b"]
        calls = [Call(0, ("ECHO", word)) for word in words]
        first, mistake, last = await asyncio.gather(
            *(servers.exchange([call]) for call in calls), return_exceptions=True
        )
        assert isinstance(mistake, TypeError)
        assert first in ([DeliveryStatus.NO_REPLY], [b"a"])
        assert last == [DeliveryStatus.NOT_SENT]
        assert await servers.exchange([calls[2]]) == [b"b"]


async def test_after_closing_nothing_is_sent(server: RedisServer) -> None:
    """No connection is made."""
    async with served(server.url) as servers:
        await servers.exchange([Call(0, ("PING",))])
    assert await servers.exchange([Call(0, ("PING",))]) == [DeliveryStatus.NOT_SENT]
