"""The proxy of the tests cuts and stalls at exactly the byte it was told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from postgres_proxy import PostgresProxy, proxied
from postgres_server import PostgresServer

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


class Echo:
    """A server that answers each byte with two, and keeps what it heard."""

    def __init__(self) -> None:
        self.heard = b""
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it ends."""
        while data := await reader.read(1 << 16):
            self.heard += data
            writer.write(bytes(each for byte in data for each in (byte, byte)))
        self.ended.set()
        writer.close()


@asynccontextmanager
async def _echo() -> AsyncIterator[tuple[Echo, PostgresProxy]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with server, proxied(server.sockets[0].getsockname()[1]) as proxy:
        yield echo, proxy


async def _open(proxy: PostgresProxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def test_some_bytes_of_an_answer_are_replaced() -> None:
    """The others arrive as they were said."""
    async with _echo() as (_, proxy):
        fault = proxy.garble_answer(b"??", 1, b"c")
        reader, writer = await _open(proxy)
        for packet, answer in ((b"ab", b"aabb"), (b"c", b"c?"), (b"d", b"?d"), (b"e", b"ee")):
            writer.write(packet)
            assert await reader.readexactly(len(answer)) == answer
        assert fault.happened.is_set()
        writer.close()


@pytest.mark.parametrize("size", range(8))
async def test_so_many_bytes_of_a_request_arrive(size: int) -> None:
    """However they are cut into packets, and no more."""
    for packets in ([b"abcdefgh"], [b"ab", b"cdef", b"gh"], [b"a", b"bcdefgh"]):
        async with _echo() as (echo, proxy):
            fault = proxy.cut_request(size)
            _, writer = await _open(proxy)
            for packet in packets:
                writer.write(packet)
                await asyncio.sleep(0.01)
            await fault.reached()
            await echo.ended.wait()
            assert echo.heard == b"abcdefgh"[:size]
            writer.close()


@pytest.mark.parametrize("size", range(8))
async def test_so_many_bytes_of_an_answer_arrive(size: int) -> None:
    """Then the end of the stream; what was asked has reached the server."""
    async with _echo() as (echo, proxy):
        fault = proxy.cut_answer(size)
        reader, writer = await _open(proxy)
        writer.write(b"abcd")
        assert await reader.read() == b"aabbccdd"[:size]
        await fault.reached()
        assert echo.heard == b"abcd"
        assert proxy.answered == size
        writer.close()


async def test_a_fault_counts_from_its_marker_on() -> None:
    """What is asked from its first byte, what is answered from when it was whole."""
    for packets in ([b"xxCOMMITyy"], [b"x", b"xCOM", b"MITyy"], [b"xxC", b"O", b"MMIT", b"yy"]):
        async with _echo() as (echo, proxy):
            proxy.cut_request(7, b"COMMIT")
            _, writer = await _open(proxy)
            for packet in packets:
                writer.write(packet)
                await asyncio.sleep(0.01)
            await echo.ended.wait()
            assert echo.heard == b"xxCOMMITy"
            writer.close()
    async with _echo() as (echo, proxy):
        proxy.cut_answer(3, b"COMMIT")
        reader, writer = await _open(proxy)
        writer.write(b"xx")
        assert await reader.readexactly(4) == b"xxxx"
        writer.write(b"COMMIT")
        assert await reader.read() == b"CCO"
        writer.close()


async def test_a_fault_takes_one_connection_once() -> None:
    """The one it names, or the first that fits; the others do not notice."""
    async with _echo() as (_, proxy):
        fault = proxy.cut_answer(0, connection=2)
        first, second, third = [await _open(proxy) for _ in range(3)]
        for _, writer in (first, third, second):
            writer.write(b"a")
        assert await second[0].read() == b""
        assert fault.on == 2
        for reader, writer in (first, third):
            assert await reader.readexactly(2) == b"aa"
            writer.write(b"b")
            assert await reader.readexactly(2) == b"bb"
        assert proxy.open == 2
        for _, writer in (first, second, third):
            writer.close()


async def test_a_reset_is_seen_as_one() -> None:
    """Not as the end of the stream."""
    async with _echo() as (_, proxy):
        proxy.cut_answer(0, reset=True)
        reader, writer = await _open(proxy)
        writer.write(b"a")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_a_stall_holds_what_follows_until_it_is_released() -> None:
    """Nothing is lost."""
    async with _echo() as (echo, proxy):
        request, answer = proxy.stall_request(2), proxy.stall_answer(3)
        reader, writer = await _open(proxy)
        writer.write(b"abcd")
        assert await reader.readexactly(3) == b"aab"
        await request.reached()
        await answer.reached()
        assert echo.heard == b"ab"
        request.release()
        answer.release()
        assert await reader.readexactly(5) == b"bccdd"
        proxy.stall_answer()
        writer.write(b"e")
        await asyncio.sleep(0.05)
        proxy.clear()
        assert await reader.readexactly(2) == b"ee"
        writer.close()


async def test_a_proxy_refuses_and_is_silent() -> None:
    """Until it is told otherwise."""
    async with _echo() as (_, proxy):
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await _open(proxy)
        await proxy.listen()
        proxy.silent = True
        reader, writer = await _open(proxy)
        writer.write(b"a")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        writer.close()
        await proxy.cut()
        proxy.silent = False
        reader, writer = await _open(proxy)
        writer.write(b"a")
        assert await reader.readexactly(2) == b"aa"
        writer.close()


async def test_a_commit_is_lost_on_its_way_or_its_answer_is(
    postgres_server: PostgresServer, postgres_proxy: PostgresProxy, postgres_url: str
) -> None:
    """Of a real server: the client cannot tell, and only one of both has been applied."""
    schema = postgres_url.rpartition("=")[2]
    postgres_server.psql(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.things (n int)")
    url = postgres_server.url_of("postgres", port=postgres_proxy.port)
    for number, cut in ((1, postgres_proxy.cut_request), (2, postgres_proxy.cut_answer)):
        client = await asyncpg.connect(url)
        await client.execute("BEGIN")
        await client.execute(f"INSERT INTO {schema}.things VALUES ({number})")
        cut(3, b"COMMIT")
        with pytest.raises(_LOST):
            await client.execute("COMMIT")
        client.terminate()
    there = await asyncio.to_thread(postgres_server.psql, f"SELECT n FROM {schema}.things")
    assert there == "2"
