"""Servers and clients that bend HTTP: what passes, and what the record says (Guarantees 17)."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

import pytest

from .conftest import ID, INITIALIZE, PING, PONG, chunk, plain, stream_head

if TYPE_CHECKING:
    from .conftest import Message, Rig

EVENT = b"data: " + PONG + b"\n\n"
NOTE = b'{"jsonrpc":"2.0","method":"notifications/x"}'


async def test_chunks_count_and_not_the_length_beside_them(rig: Rig) -> None:
    """RFC 9112, section 6.3."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    await rig.serve(head + chunk(PONG) + b"0\r\n\r\n")
    await rig.start()
    answer = await rig.ask()
    assert (answer.status, answer.body, answer.value("content-length")) == (200, PONG, None)
    await rig.stop()
    assert [frame.message for frame in await rig.frames()] == [PING, PONG]


async def test_a_status_beyond_http_is_an_error(rig: Rig) -> None:
    """It has no place in an answer; the record says so."""
    await rig.serve(plain(PONG, status="999 Odd"))
    await rig.start()
    assert (await rig.ask()).status == 502
    await rig.stop()
    assert [frame.oddity for frame in await rig.frames()][1].endswith("does not speak HTTP")  # type: ignore[union-attr]


async def test_a_length_is_no_header_of_the_connection(rig: Rig) -> None:
    """Without it the server would take the body for another request."""
    await rig.serve(plain(PONG))
    await rig.start()
    answer = await rig.ask(PING, "Connection: Content-Length, X-Hop, close", "X-Hop: 1")
    assert (answer.status, answer.body) == (200, PONG)
    assert (rig.requests[0].body, rig.requests[0].value("x-hop")) == (PING, None)


@pytest.mark.parametrize("target", ["http://127.0.0.1/mcp", "HTTP://localhost:1/mcp", "/%6dcp"])
async def test_another_form_of_the_endpoint_is_recorded(rig: Rig, target: str) -> None:
    """Absolute, as clients send it to a proxy, and percent-encoded."""
    await rig.serve(plain(PONG))
    await rig.start()
    assert (await rig.ask(path=target)).status == 200
    assert rig.requests[0].line.split()[1] in {"/mcp", "/%6dcp"}
    await rig.stop()
    assert [frame.message for frame in await rig.frames()] == [PING, PONG]


@pytest.mark.parametrize("target", ["http://evil.example/mcp", "http://", "http://evil/"])
async def test_an_absolute_target_elsewhere_is_refused(rig: Rig, target: str) -> None:
    """Its host counts, not the header's."""
    await rig.serve(plain(PONG))
    await rig.start()
    assert (await rig.ask(path=target)).status == 403
    assert rig.requests == []


@pytest.mark.parametrize("at", [0, 1])
async def test_a_stream_whose_encoding_breaks_is_recorded_encoded(rig: Rig, at: int) -> None:
    """From the part on that cannot be decoded; the events before it are decoded."""
    packer = zlib.compressobj(wbits=31)
    good = packer.compress(EVENT) + packer.flush(zlib.Z_SYNC_FLUSH)
    parts = [good] * at + [b"\xff\xff\xff\xff broken", b"more"]

    async def handle(_: Message, writer: asyncio.StreamWriter) -> bool:
        writer.write(stream_head("Content-Encoding: gzip"))
        for part in parts:
            writer.write(chunk(part))
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.write(b"0\r\n\r\n")
        return True

    await rig.serve(handle)
    await rig.start()
    assert (await rig.ask()).body == b"".join(parts)
    await rig.stop()
    frames = await rig.frames()
    assert [frame.message for frame in frames] == [
        PING,
        *[PONG] * at,
        b"\xff\xff\xff\xff brokenmore",
    ]
    assert frames[-1].oddity == "the body is not gzip, as its header says"


async def test_an_empty_redirect_is_in_the_record(rig: Rig) -> None:
    """It tells why the call has no answer."""
    await rig.serve(plain(b"", "Location: /other", status="307 Elsewhere"))
    await rig.start()
    await rig.ask()
    await rig.stop()
    assert [frame.oddity for frame in await rig.frames()] == [None, "HTTP 307 without a body"]


async def test_a_stream_that_outlives_its_session_is_recorded(rig: Rig) -> None:
    """The server goes on after DELETE; the session ends when the stream does."""
    go_on = asyncio.Event()

    async def handle(request: Message, writer: asyncio.StreamWriter) -> bool:
        if request.line.startswith("POST"):
            writer.write(plain(PONG, ID))
        elif request.line.startswith("DELETE"):
            writer.write(plain(b""))
        else:
            writer.write(stream_head())
            await go_on.wait()
            writer.write(chunk(b"data: " + NOTE + b"\n\n") + b"0\r\n\r\n")
        return True

    await rig.serve(handle)
    await rig.start()
    await rig.ask(INITIALIZE)
    listening = asyncio.create_task(rig.ask(b"", ID, method="GET"))
    while len(rig.requests) < 2:
        await asyncio.sleep(0.01)
    await rig.ask(b"", ID, method="DELETE")
    assert rig.proxy.report().sessions == 1
    await asyncio.sleep(2.5)  # longer than any pause in which it could be forgotten
    go_on.set()
    await listening
    await rig.stop()
    (session,) = await rig.sessions()
    assert session.state == "closed"
    assert [frame.message for frame in await rig.frames()][-1] == NOTE
    assert rig.proxy.report().recorded == 3


async def test_only_the_endpoint_can_forget_a_session(rig: Rig) -> None:
    """A path below it that is not there says nothing of the session."""

    async def handle(request: Message, writer: asyncio.StreamWriter) -> bool:
        is_below = "/mcp/below" in request.line
        writer.write(plain(b"", status="404 No") if is_below else plain(PONG, ID))
        return True

    await rig.serve(handle)
    await rig.start()
    for path in ("/mcp", "/mcp/below", "/mcp/"):
        await rig.ask(PING, ID, path=path)
    await rig.stop()
    (session,) = await rig.sessions()
    assert (session.state, session.frame_count) == ("closed", 6)
