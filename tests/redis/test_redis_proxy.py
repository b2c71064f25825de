"""The proxy between a client and a server injects the requested faults and no others."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest
import redis
from redis.asyncio import Redis
from redis_clients import once, speak
from redis_faults import Fault
from redis_proxy import FaultProxy
from redis_server import RedisServer
from redis_units import UnitReader

SET = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$4\r\n\n\r\n\n\r\n"


def test_units_are_found_however_they_were_cut() -> None:
    """Also with line ends within a value."""
    stream = SET * 2 + b"_\r\n#f\r\n>2\r\n$1\r\na\r\n%1\r\n:1\r\n*0\r\n" + b"$-1\r\n"
    whole = [unit for unit, _ in UnitReader().feed(stream)]
    assert [len(unit) for unit in whole] == [len(SET), len(SET), 3, 4, 23, 5]
    for at in range(len(stream) + 1):
        reader = UnitReader()
        units = [unit for part in (stream[:at], stream[at:]) for unit, _ in reader.feed(part)]
        assert units == whole
        assert reader.rest == b""


async def test_without_faults_nothing_changes(proxy: FaultProxy, key_prefix: str) -> None:
    """Binary values, a pipeline, a thousand replies; and all of it is counted."""
    value = bytes(range(256)) * 40
    async with once(proxy.url) as client:
        assert await client.set(f"{key_prefix}key", value)
        assert await client.get(f"{key_prefix}key") == value
        async with client.pipeline(transaction=True) as pipeline:
            for _ in range(1000):
                pipeline.incr(f"{key_prefix}count")
            assert await pipeline.execute() == list(range(1, 1001))
        assert proxy.accepted == proxy.open == 1
    assert proxy.requests.counted["INCRBY"] == proxy.replies.counted["INCRBY"] == 1000
    assert proxy.replies.counted["GET"] == 1


async def test_a_client_that_retries_applies_a_write_once_for_each_lost_reply(
    proxy: FaultProxy, key_prefix: str
) -> None:
    """One `incr` by redis-py as it comes (it sends INCRBY), two lost replies: three times."""
    key = f"{key_prefix}count"
    proxy.replies.cut("INCRBY", at=0, times=2)
    async with Redis(host="127.0.0.1", port=proxy.port) as client:
        assert await client.incr(key) == 3
        assert await client.get(key) == b"3"
    assert proxy.requests.counted["INCRBY"] == 3


async def test_a_dropped_reply_leaves_the_client_waiting(
    proxy: FaultProxy, server: RedisServer, key_prefix: str
) -> None:
    """The connection stays, the server has done it."""
    key = f"{key_prefix}count"
    lost = proxy.replies.drop("INCRBY", skip=1)
    async with once(proxy.url, socket_timeout=2.0) as client:
        assert await client.incr(key) == 1
        with pytest.raises(redis.TimeoutError):
            await client.incr(key)
    assert [unit.data for unit in lost.units] == [b":2\r\n"]
    assert server.say("GET", key) == "2"


async def test_a_swallowed_command_never_arrives(
    proxy: FaultProxy, server: RedisServer, key_prefix: str
) -> None:
    """The later replies still belong to their commands."""
    key = f"{key_prefix}count"
    proxy.requests.drop("INCRBY")
    async with once(proxy.url, socket_timeout=2.0) as client:
        with pytest.raises(redis.TimeoutError):
            await client.incr(key)
        assert await client.get(key) is None
    assert server.say("EXISTS", key) == 0
    assert proxy.replies.counted["INCRBY"] == 0


@pytest.mark.parametrize("reset", [False, True])
async def test_a_command_cut_anywhere_is_done_only_if_all_of_it_arrived(
    proxy: FaultProxy, server: RedisServer, key_prefix: str, reset: bool
) -> None:
    """At every byte; the client sees an error each time."""
    done = at = 0
    key = f"{key_prefix}count"
    while True:
        cut = proxy.requests.cut("INCRBY", at=at, reset=reset)
        async with once(proxy.url) as client:
            with pytest.raises((redis.ConnectionError, OSError)):
                await client.incr(key)
        await proxy.cut()
        done = int(server.say("GET", key) or 0)
        if at == len(cut.units[0].data):
            break
        assert done == 0
        at += 1
    assert done == 1


async def test_a_reply_cut_anywhere_is_an_error_unless_all_of_it_arrived(
    proxy: FaultProxy, key_prefix: str
) -> None:
    """The server has applied the command."""
    key = f"{key_prefix}count"
    for at in range(len(b":1\r\n")):
        proxy.replies.cut("INCRBY", at=at)
        async with once(proxy.url) as client:
            with pytest.raises(redis.ConnectionError):
                await client.incr(key)
    proxy.replies.cut("INCRBY")
    async with once(proxy.url) as client:
        assert await client.incr(key) == 5


async def test_the_end_of_a_stream_differs_from_a_reset(proxy: FaultProxy) -> None:
    """Seen from the client's socket."""
    proxy.replies.cut("PING")
    ended = await speak(proxy.port, b"*1\r\n$4\r\nPING\r\n")
    await ended.lost.wait()
    assert ended.error is None
    assert b"".join(ended.came) == b"+PONG\r\n"
    proxy.replies.cut("PING", at=0, reset=True)
    reset = await speak(proxy.port, b"*1\r\n$4\r\nPING\r\n")
    await reset.lost.wait()
    assert isinstance(reset.error, ConnectionResetError)
    assert reset.came == []


async def test_packets_arrive_as_they_were_split(proxy: FaultProxy) -> None:
    """At one byte, and byte by byte."""
    for at in range(1, 7):
        split = proxy.replies.split(at, command="PING")
        packets = await speak(proxy.port, b"*1\r\n$4\r\nPING\r\n")
        assert await packets.until(b"\n") == [b"+PONG\r\n"[:at], b"+PONG\r\n"[at:]]
        proxy.replies.lift(split)
    proxy.replies.split(every=1)
    packets = await speak(proxy.port, b"*1\r\n$4\r\nPING\r\n")
    assert await packets.until(b"\n") == [bytes([byte]) for byte in b"+PONG\r\n"]
    await proxy.cut()


async def test_splitting_at_every_byte_changes_nothing(proxy: FaultProxy, key_prefix: str) -> None:
    """This holds for commands, replies and the handshake."""
    proxy.requests.split(every=1)
    proxy.replies.split(every=1)
    async with once(proxy.url) as client:
        await client.hset(f"{key_prefix}hash", mapping={"a": b"\r\n", "b": b"$1"})
        assert await client.hgetall(f"{key_prefix}hash") == {b"a": b"\r\n", b"b": b"$1"}
    proxy.requests.clear()
    proxy.replies.clear()
    async with once(proxy.url) as client:
        at, length = 1, 2
        while at < length:
            splits: list[tuple[Any, Fault]] = [
                (way, way.split(at, command="HGETALL")) for way in (proxy.requests, proxy.replies)
            ]
            assert await client.hgetall(f"{key_prefix}hash") == {b"a": b"\r\n", b"b": b"$1"}
            length = max(len(split.units[0].data) for _, split in splits)
            for way, split in splits:
                way.lift(split)
            at += 1


async def test_a_held_reply_holds_up_its_connection_and_no_other(
    proxy: FaultProxy, key_prefix: str
) -> None:
    """Until it is released."""
    held = proxy.replies.hold("INCRBY")
    async with once(proxy.url) as client, once(proxy.url) as other:
        waiting = asyncio.create_task(client.incr(f"{key_prefix}count"))
        await held.reached()
        assert await other.incr(f"{key_prefix}count") == 2
        assert not waiting.done()
        held.release()
        assert await waiting == 1


async def test_a_delayed_reply_comes_late(proxy: FaultProxy) -> None:
    """Later than one that is not delayed."""
    proxy.replies.delay(0.05, "ECHO")
    async with once(proxy.url) as client, once(proxy.url) as other:
        order: list[bytes] = []

        async def ask(echo: Any) -> None:
            order.append(await echo)

        await asyncio.gather(ask(client.echo("late")), ask(other.ping()))
    assert order == [True, b"late"]


async def test_a_fault_may_be_for_one_connection(proxy: FaultProxy, key_prefix: str) -> None:
    """The others have none."""
    proxy.replies.cut("INCRBY", at=0, connection=2, times=None)
    async with once(proxy.url) as client, once(proxy.url) as other:
        for number in (1, 2):
            assert await client.incr(f"{key_prefix}count") == number
        with pytest.raises(redis.ConnectionError):
            await other.incr(f"{key_prefix}count")


async def test_nobody_answers_in_a_black_hole(proxy: FaultProxy) -> None:
    """A connection is had at once, an answer never; those that were there go on."""
    async with once(proxy.url) as before, once(proxy.url, socket_timeout=2.0) as within:
        await before.ping()
        proxy.silent = True
        with pytest.raises(redis.TimeoutError):
            await within.ping()
        assert await before.ping()
        proxy.silent = False
        assert await within.ping()


async def test_connections_are_refused_for_a_while(proxy: FaultProxy) -> None:
    """Later they are accepted on the same port."""
    async with once(proxy.url) as client:
        proxy.refuse()
        for _ in range(50):
            with pytest.raises(redis.ConnectionError):
                await client.ping()
        await proxy.listen()
        assert await client.ping()
    assert proxy.accepted == 1


async def test_all_connections_can_be_cut_at_once(proxy: FaultProxy) -> None:
    """Each client notices."""
    lost = [await speak(proxy.port, b"*1\r\n$4\r\nPING\r\n") for _ in range(20)]
    for packets in lost:
        await packets.until(b"\n")
    assert proxy.open == 20
    await proxy.cut(reset=True)
    assert proxy.open == 0
    for packets in lost:
        await packets.lost.wait()


async def test_a_client_that_connects_while_the_server_is_down_is_reset(proxy: FaultProxy) -> None:
    """It connects when the proxy leads to a running server."""
    there, proxy.server_port = proxy.server_port, 1
    async with once(proxy.url) as client:
        with pytest.raises(redis.ConnectionError):
            await client.ping()
        proxy.server_port = there
        assert await client.ping()


async def test_a_client_that_is_gone_already_can_be_reset(proxy: FaultProxy) -> None:
    """Both sides end the connection at once, each in its own way."""
    proxy.silent = True
    _, client = await asyncio.open_connection("127.0.0.1", proxy.port)
    while not proxy.open:
        await asyncio.sleep(0.001)
    raw: socket.socket = client.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.transport.abort()
    await asyncio.sleep(0.05)  # until the proxy has seen it; if later, nothing is shown
    await proxy.cut(reset=True)
    assert proxy.open == 0
    await proxy.aclose()  # raises what went wrong in it
