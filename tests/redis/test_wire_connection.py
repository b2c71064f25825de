"""One connection: every call has its own answer, or a fate that is true."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis_proxy import FaultProxy
from redis_server import RedisServer
from sessionkeeper import StoreUnavailable
from sessionkeeper.backends.redis.client.address import RedisAddress
from sessionkeeper.backends.redis.client.call import Call, DeliveryStatus, Refused
from sessionkeeper.backends.redis.client.connection import Connection


def call(*words: Any) -> Call:
    return Call(0, words)


@asynccontextmanager
async def linked(url: str, timeout: float = 20.0) -> AsyncIterator[Connection]:
    link = await Connection.open(RedisAddress.of(url, timeout=timeout, connect_timeout=timeout))
    try:
        yield link
    finally:
        await link.aclose()


async def test_answers_come_in_the_order_of_their_calls_also_when_exchanges_overlap(
    server: RedisServer,
) -> None:
    """Many slices in one batch, many batches on their way."""
    async with linked(server.url) as link:
        batches = [[call("ECHO", f"{b}-{n}") for n in range(40)] for b in range(20)]
        answers = await asyncio.gather(*map(link.exchange, batches))
        assert answers == [[f"{b}-{n}".encode() for n in range(40)] for b in range(20)]
        assert await link.exchange([]) == []


async def test_an_error_is_an_answer_at_any_position(server: RedisServer) -> None:
    """Its code is the first word; the calls after it are not held up."""
    async with linked(server.url) as link:
        script = "return {1, redis.error_reply('MINE own words')}"
        wrong, nested, right = await link.exchange(
            [call("GET"), call("EVAL", script, 0), call("ECHO", b"\r\n\0")]
        )
        assert isinstance(wrong, Refused)
        assert wrong.code == "ERR"
        assert nested == [1, Refused("MINE", "MINE own words")]
        assert right == b"\r\n\0"


async def test_packets_of_one_byte_make_no_difference(proxy: FaultProxy) -> None:
    """Neither in a call nor in an answer."""
    async with linked(proxy.url) as link:
        proxy.requests.split(every=1)
        proxy.replies.split(every=1)
        words = [b"a" * size for size in (0, 1, 9, 10, 100)]
        assert await link.exchange([call("ECHO", word) for word in words]) == words


async def test_an_answer_cut_at_any_byte_is_lost_and_those_before_it_are_not(
    proxy: FaultProxy,
) -> None:
    """Byte by byte: complete answers count, others are lost, and the connection ends."""
    whole = len(b"$5\r\nhello\r\n")
    for at in range(whole + 1):
        async with linked(proxy.url) as link:
            proxy.replies.cut("ECHO", at=at, skip=1, reset=bool(at % 2))
            answers = await link.exchange([call("ECHO", "hello") for _ in range(3)])
            second = b"hello" if at == whole else DeliveryStatus.NO_REPLY
            assert answers == [b"hello", second, DeliveryStatus.NO_REPLY], at
            assert link.ended
            assert await link.exchange([call("PING")]) == [DeliveryStatus.NOT_SENT]
            proxy.replies.clear()


async def test_a_call_whose_answer_is_dropped_is_lost_and_was_applied(
    server: RedisServer, proxy: FaultProxy, key_prefix: str
) -> None:
    """Silence ends the link: answers that come later could not be told apart."""
    async with linked(proxy.url, timeout=2.0) as link:
        proxy.replies.drop("INCR", times=None)
        assert await link.exchange([call("INCR", f"{key_prefix}n")]) == [DeliveryStatus.NO_REPLY]
        assert link.ended == "the server was silent too long"
    assert server.say("GET", f"{key_prefix}n") == "1"


@pytest.mark.parametrize("engine", ["redis"], indirect=True)
async def test_silence_counts_only_while_answers_are_outstanding(proxy: FaultProxy) -> None:
    """Any answer resets it: six that come slowly one by one are no silence."""
    async with linked(proxy.url, timeout=2.0) as link:
        proxy.replies.delay(0.5, "ECHO")
        assert await link.exchange([call("ECHO", n) for n in range(6)]) == [
            str(n).encode() for n in range(6)
        ]
        # Longer than it may be silent, with nothing asked: time itself is what is tested.
        await asyncio.sleep(2.3)
        assert link.ended is None


async def test_connecting_to_a_silent_address_ends(proxy: FaultProxy) -> None:
    """Accepted, and then nothing."""
    proxy.silent = True
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:\d+: it did not answer in time"):
        async with linked(proxy.url, timeout=0.1):
            pass


async def test_the_error_says_that_nobody_listens_on_the_port(proxy: FaultProxy) -> None:
    """With the system's reason."""
    proxy.refuse()
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        async with linked(proxy.url):
            pass


async def test_a_cancelled_exchange_closes_the_connection_and_loses_the_others(
    proxy: FaultProxy,
) -> None:
    """CVE-2023-28858: its answers must not be taken for those of the next."""
    async with linked(proxy.url) as link:
        held = proxy.replies.hold("ECHO")
        first, second = (
            asyncio.ensure_future(link.exchange([call("ECHO", word)])) for word in "ab"
        )
        await held.reached()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert link.ended == "an exchange was cancelled"
        assert await second == [DeliveryStatus.NO_REPLY]


async def test_a_push_message_is_not_an_answer(server: RedisServer, key_prefix: str) -> None:
    """The library requests none; an administrator or a module might."""
    async with linked(server.url) as link:
        key = f"{key_prefix}watched"
        await link.exchange([call("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", key_prefix)])
        for turn in range(20):
            server.say("SET", key, turn)
            echoed = await link.exchange([call("ECHO", turn), call("GET", key)])
            assert echoed == [str(turn).encode()] * 2


async def test_an_argument_that_cannot_be_encoded_raises_and_closes_the_connection(
    server: RedisServer,
) -> None:
    """Part of the batch may be with the server already."""
    async with linked(server.url) as link:
        with pytest.raises(TypeError):
            await link.exchange([*(call("PING") for _ in range(16)), call("ECHO", object())])
        assert link.ended


@pytest.mark.parametrize(
    ("is_status", "ended"),
    [
        (b"+PONG\r\n+PONG\r\n", "it sent an answer without a call"),
        (b"?\r\n", "it broke the protocol"),
    ],
)
async def test_a_connection_that_breaks_the_protocol_is_closed(
    is_status: bytes, ended: str
) -> None:
    """Unrequested answers would be mistaken for those to the next calls."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"HELLO\r\n$1\r\n3\r\n")
        writer.write(b"%1\r\n+proto\r\n:3\r\n")
        await reader.readuntil(b"sessionkeeper\r\n")
        writer.write(b"+OK\r\n")
        await reader.readuntil(b"PING\r\n")
        writer.write(is_status)
        await reader.read()
        writer.close()
        await writer.wait_closed()
        hung_up.set()

    hung_up = asyncio.Event()
    async with await asyncio.start_server(speak, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        async with linked(f"redis://127.0.0.1:{port}") as link:
            await link.exchange([call("PING")])
            await link.closed
            assert link.ended == ended
        await hung_up.wait()
