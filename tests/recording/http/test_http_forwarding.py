"""What passes is what was sent, and what belongs to a connection does not (Guarantees 17)."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING

import pytest

from .conftest import ID, PING, PONG, chunk, plain, stream_head

if TYPE_CHECKING:
    from .conftest import Message, Rig


async def test_a_call_and_its_answer_pass(rig: Rig) -> None:
    """Body, status and headers, with the host of the server."""
    await rig.serve(plain(PONG, "X-Own:  spaced \t", "Set-Cookie: a=1", "Set-Cookie: b=2"))
    await rig.start()
    answer = await rig.ask(PING, "X-Mine:  spaced  ", "X-Many: 1", "X-Many: 2", ID)
    asked = rig.requests[0]
    assert asked.line == "POST /mcp HTTP/1.1"
    assert (asked.body, asked.values("x-many"), asked.value("x-mine")) == (
        PING,
        ["1", "2"],
        "spaced",
    )
    assert asked.values("host") == [f"127.0.0.1:{rig.server_port}"]
    assert asked.value("mcp-session-id") == ID.partition(": ")[2]
    assert (answer.status, answer.body) == (200, PONG)
    assert answer.value("x-own") == "spaced"
    assert answer.values("set-cookie") == ["a=1", "b=2"]
    assert answer.values("server") == answer.values("date") == []


@pytest.mark.parametrize(
    "target",
    [
        "/mcp?a=1&b=%20%2F",
        "/mcp/below/it",
        "/mcp%2Fodd/../x;y",
        "/.well-known/oauth-protected-resource/mcp",
        "/elsewhere",
    ],
)
async def test_a_target_passes_byte_for_byte(rig: Rig, target: str) -> None:
    """Paths below the endpoint, at the server's root, and odd ones; a query stays."""
    await rig.serve(plain(PONG))
    await rig.start()
    assert (await rig.ask(path=target)).status == 200
    assert rig.requests[0].line == f"POST {target} HTTP/1.1"


async def test_a_query_of_the_url_is_added_and_not_stored(rig: Rig) -> None:
    """To requests of the endpoint that have none."""
    await rig.serve(plain(PONG))
    await rig.start(path="/mcp?key=SECRET")
    await rig.ask()
    await rig.ask(path="/mcp?key=other")
    await rig.ask(path="/x")
    lines = [request.line.split()[1] for request in rig.requests]
    assert lines == ["/mcp?key=SECRET", "/mcp?key=other", "/x"]
    assert "SECRET" not in repr(rig.proxy)
    await rig.stop()
    assert {frame.context.delivery.path for frame in await rig.frames()} == {"/mcp"}  # type: ignore[union-attr]


async def test_headers_of_one_connection_do_not_pass(rig: Rig) -> None:
    """Those of RFC 9110, and those that `Connection` names, in both directions."""
    await rig.serve(plain(PONG, "Connection: X-Hop, keep-alive", "X-Hop: 1", "Keep-Alive: 5"))
    await rig.start()
    answer = await rig.ask(PING, "Connection: X-Gone", "X-Gone: 1", "TE: trailers", "Trailer: a")
    asked = rig.requests[0]
    for name in "connection", "x-gone", "te", "trailer":
        assert asked.values(name) == []
    for name in "x-hop", "keep-alive":
        assert answer.values(name) == []


async def test_encoded_bodies_pass_encoded(rig: Rig) -> None:
    """In both directions, with their header."""
    squeezed = gzip.compress(PONG)
    await rig.serve(plain(squeezed, "Content-Encoding: gzip"))
    await rig.start()
    asked = gzip.compress(PING)
    answer = await rig.ask(asked, "Content-Encoding: gzip", "Accept-Encoding: gzip")
    assert (answer.body, answer.value("content-encoding")) == (squeezed, "gzip")
    assert rig.requests[0].body == asked
    assert rig.requests[0].value("accept-encoding") == "gzip"
    await rig.stop()
    assert [frame.message for frame in await rig.frames()] == [PING, PONG]


async def test_a_chunked_request_passes(rig: Rig) -> None:
    """However it is divided."""
    await rig.serve(plain(PONG))
    await rig.start()
    body = b"".join(chunk(PING[at : at + 7]) for at in range(0, len(PING), 7)) + b"0\r\n\r\n"
    assert (await rig.ask(body, "Transfer-Encoding: chunked")).body == PONG
    assert rig.requests[0].body == PING
    await rig.stop()
    assert [frame.message for frame in await rig.frames()] == [PING, PONG]


@pytest.mark.parametrize("length", [True, False])
async def test_answers_without_a_body(rig: Rig, length: bool) -> None:
    """To HEAD, and with 202, 204 and 304; the connection goes on."""
    size = "Content-Length: 500\r\n" if length else ""

    async def handle(request: Message, writer: asyncio.StreamWriter) -> None:
        if request.line.startswith("HEAD"):
            writer.write(f"HTTP/1.1 200 OK\r\n{size}ETag: x\r\n\r\n".encode())
        else:
            status = request.value("x-status")
            extra = "Content-Length: 0\r\n" if status == "202" else ""
            writer.write(f"HTTP/1.1 {status} Fine\r\n{extra}ETag: x\r\n\r\n".encode())

    await rig.serve(handle)
    await rig.start()
    async with rig.connect() as client:
        for status in "202", "204", "304":
            await client.send(b"", f"X-Status: {status}", method="GET")
            answer = await client.answer("GET")
            assert (answer.status, answer.body) == (int(status), b"")
            assert answer.value("etag") == "x"
        await client.send(b"", method="HEAD")
        answer = await client.answer("HEAD")
        assert answer.value("content-length") == ("500" if length else None)


async def test_a_preflight_passes_and_is_not_recorded(rig: Rig) -> None:
    """The server decides what a page may do."""
    await rig.serve(b"HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\n\r\n")
    await rig.start()
    answer = await rig.ask(b"", "Origin: http://localhost:6274", method="OPTIONS")
    assert answer.value("access-control-allow-origin") == "*"
    assert rig.requests[0].value("origin") == "http://localhost:6274"
    await rig.stop()
    assert await rig.sessions() == []


async def test_expect_is_answered_by_the_proxy(rig: Rig) -> None:
    """A client that waits for `100 Continue` gets it; the server is not asked."""
    await rig.serve(plain(PONG))
    await rig.start()
    async with asyncio.timeout(60), rig.connect() as client:
        await client.send(b"", "Expect: 100-continue", f"Content-Length: {len(PING)}")
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.writer.write(PING)
        assert (await client.answer()).body == PONG
    assert rig.requests[0].values("expect") == []


async def test_early_hints_are_skipped(rig: Rig) -> None:
    """The answer after them is the answer."""
    await rig.serve(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + plain(PONG))
    await rig.start()
    assert (await rig.ask()).body == PONG


async def test_trailers_end_an_answer(rig: Rig) -> None:
    """They are dropped, as the header that announces them."""
    head = b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
    await rig.serve(head + chunk(PONG) + b"0\r\nX-Sum: 1\r\n\r\n")
    await rig.start()
    async with rig.connect() as client:
        for _ in range(2):
            await client.send()
            answer = await client.answer()
            assert (answer.body, answer.values("trailer")) == (PONG, [])


async def test_a_redirect_is_not_followed(rig: Rig) -> None:
    """One to the server leads back to the proxy, any other goes where it goes."""
    targets = ["http://127.0.0.1:{}/mcp/", "/relative", "https://elsewhere.example/mcp"]

    async def handle(_: Message, writer: asyncio.StreamWriter) -> None:
        target = targets[len(rig.requests) - 1].format(rig.server_port)
        writer.write(plain(b"", f"Location: {target}", status="307 Temporary Redirect"))

    await rig.serve(handle)
    await rig.start()
    expected = [f"http://127.0.0.1:{rig.port}/mcp/", *targets[1:]]
    for target in expected:
        answer = await rig.ask()
        assert (answer.status, answer.value("location")) == (307, target)
    assert len(rig.requests) == 3


@pytest.mark.parametrize(
    "header",
    [
        "Host: evil.example",
        "Host: evil.example:8900",
        "Host: 127.0.0.1.evil.example",
        "Host: 10.0.0.7:8900",
        "Host: 127.0.0.1@evil.example",
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: http://localhost.evil.example",
        "Origin: http://evil.example/http://localhost",
    ],
)
async def test_a_foreign_host_or_origin_is_refused(rig: Rig, header: str) -> None:
    """With 403 and one line; the server is not asked, and nothing is recorded."""
    await rig.serve(plain(PONG))
    await rig.start()
    answer = await rig.ask(PING, header)
    assert answer.status == 403
    assert answer.body.startswith(b"sessionkeeper: refused: ")
    assert answer.body.count(b"\n") == 1
    assert rig.requests == []
    assert b"evil" not in answer.body
    await rig.stop()
    assert await rig.sessions() == []


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost:8900", "[::1]:80", "LOCALHOST"])
async def test_each_name_of_this_machine_is_its_own(rig: Rig, host: str) -> None:
    """As a host, and as the origin of a page, which passes."""
    await rig.serve(plain(PONG))
    await rig.start()
    answer = await rig.ask(PING, f"Host: {host}", "Origin: http://localhost:6274")
    assert answer.status == 200
    assert rig.requests[0].values("origin") == ["http://localhost:6274"]


async def test_the_proxys_own_origin_becomes_the_servers(rig: Rig) -> None:
    """As a page of the server itself would have sent it."""
    await rig.serve(plain(PONG))
    await rig.start()
    await rig.ask(PING, f"Origin: http://127.0.0.1:{rig.port}")
    assert rig.requests[0].values("origin") == [f"http://127.0.0.1:{rig.server_port}"]


async def test_connections_are_kept_on_both_sides(rig: Rig) -> None:
    """Many calls on one connection of the client reach the server on one of ours."""
    writers: set[asyncio.StreamWriter] = set()

    async def handle(_: Message, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        writer.write(plain(PONG))

    await rig.serve(handle)
    await rig.start()
    async with rig.connect() as client:
        for _ in range(20):
            await client.send()
            assert (await client.answer()).body == PONG
    assert len(rig.requests) == 20
    assert len(writers) == 1


async def test_an_event_passes_when_it_is_sent(rig: Rig) -> None:
    """Each before the next one is sent: a server may wait for the client meanwhile."""
    seen = asyncio.Queue[bytes]()

    async def handle(_: Message, writer: asyncio.StreamWriter) -> None:
        writer.write(stream_head())
        for number in range(3):
            writer.write(chunk(b"data: %d\n\n" % number))
            await writer.drain()
            assert await seen.get() == b"data: %d\n\n" % number
        writer.write(chunk(b""))

    await rig.serve(handle)
    await rig.start()
    async with asyncio.timeout(60), rig.connect() as client:
        await client.send()
        await client.reader.readuntil(b"\r\n\r\n")
        for number in range(3):
            text = b"data: %d\n\n" % number
            assert await client.reader.readuntil(text) == b"%x\r\n" % len(text) + text
            await client.reader.readexactly(2)
            seen.put_nowait(text)
        assert await client.reader.readexactly(5) == b"0\r\n\r\n"


async def test_a_slow_reader_makes_the_server_wait(rig: Rig) -> None:
    """Nothing is read ahead, so a large answer fills no memory."""
    part = b"x" * 65_536
    written = 0
    stuck = asyncio.Event()

    async def handle(_: Message, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(part) * 2000))
        for _number in range(2000):
            writer.write(part)
            try:
                async with asyncio.timeout(1):
                    await writer.drain()
            except TimeoutError:
                stuck.set()
                await writer.drain()
            written += len(part)

    await rig.serve(handle)
    await rig.start(max_body=1000)
    async with asyncio.timeout(120), rig.connect() as client:
        await client.send()
        await client.reader.readuntil(b"\r\n\r\n")
        await stuck.wait()
        assert written < len(part) * 1000, "the rest waits in the server"
        left = len(part) * 2000
        while left:
            left -= len(await client.reader.read(1 << 20))
    await rig.stop()
    frames = await rig.frames()
    assert [frame.kind for frame in frames] == ["request", "gap"]
