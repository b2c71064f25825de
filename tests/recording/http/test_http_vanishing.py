"""A side that vanishes: the other sees what it would see, and the record says so."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from .conftest import ID, PING, PONG, chunk, plain, stream_head

if TYPE_CHECKING:
    from .conftest import Message, Rig

CLIENT_LEFT = "the client left before the end of the answer"
SERVER_LEFT = "the server closed the connection before the end of its answer"
EVENT = b'event: message\nid: 7\ndata: {"jsonrpc":"2.0","method":"notifications/x"}\n\n'
RESULT = b"data: " + PONG + b"\n\n"


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("begun", [True, False])
async def test_a_client_that_leaves_is_gone_for_the_server(
    rig: Rig, method: str, begun: bool
) -> None:
    """While it waits, and within a stream: in 2026-07-28 this cancels the request."""
    gone = asyncio.Event()

    async def handle(request: Message, writer: asyncio.StreamWriter) -> bool:
        if begun:
            writer.write(stream_head(ID) + chunk(EVENT))
        await request.client_leaves()
        gone.set()
        return False

    await rig.serve(handle)
    await rig.start()
    async with asyncio.timeout(60):
        async with rig.connect() as client:
            await client.send(PING if method == "POST" else b"", ID, method=method)
            if begun:
                await client.reader.readuntil(b"notifications/x")
            while not rig.requests:
                await asyncio.sleep(0.01)
        await gone.wait()
    await rig.stop()
    frames = await rig.frames() if method == "POST" or begun else []
    odd = [frame.oddity for frame in frames if frame.oddity is not None]
    assert odd == ([CLIENT_LEFT] if method == "POST" else [])
    assert sum(frame.kind == "notification" for frame in frames) == begun


async def test_a_client_that_has_its_result_may_leave(rig: Rig) -> None:
    """The SDK closes the stream of a call after its result; this is no oddity."""

    async def handle(request: Message, writer: asyncio.StreamWriter) -> bool:
        writer.write(stream_head(ID) + chunk(RESULT))
        await request.client_leaves()
        return False

    await rig.serve(handle)
    await rig.start()
    async with asyncio.timeout(60), rig.connect() as client:
        await client.send()
        await client.reader.readuntil(PONG)
    await rig.stop()
    assert [frame.kind for frame in await rig.frames()] == ["request", "result"]


async def test_a_client_that_leaves_within_its_request(rig: Rig) -> None:
    """The server sees the request cut, and the record has what came of it."""

    async def handle(request: Message, writer: asyncio.StreamWriter) -> bool:
        return False

    await rig.serve(handle)
    await rig.start()
    async with asyncio.timeout(60):
        async with rig.connect() as client:
            await client.send(b"", ID, f"Content-Length: {len(PING)}")
            client.writer.write(PING[:20])
            while not rig.requests:
                await asyncio.sleep(0.01)
        while not rig.requests[0].is_cut:
            await asyncio.sleep(0.01)
    await rig.stop()
    (frame,) = await rig.frames()
    assert (frame.oddity, frame.message) == (
        "the client left before the end of its request",
        PING[:20],
    )
    assert frame.context.metadata["line_end"] == "none"


ANSWERS = {
    "a JSON answer": plain(PONG, ID),
    "a chunked answer": stream_head(ID).replace(b"text/event-stream", b"application/json")
    + chunk(PONG[:10])
    + chunk(PONG[10:])
    + b"0\r\n\r\n",
    "a stream": stream_head(ID)
    + chunk(EVENT)
    + chunk(RESULT[:9])
    + chunk(RESULT[9:])
    + b"0\r\n\r\n",
}


@pytest.mark.parametrize("what", ANSWERS)
async def test_a_server_that_vanishes_at_every_byte(rig: Rig, what: str) -> None:
    """The client sees the answer cut, or 502; the record has what passed, and says why it ends."""
    whole = ANSWERS[what]
    head = whole.index(b"\r\n\r\n") + 4
    cuts = [0, 1, head // 2, *range(head - 1, len(whole) + 1)]

    async def handle(_: Message, writer: asyncio.StreamWriter) -> bool:
        writer.write(whole[: cuts[len(rig.requests) - 1]])
        return False

    await rig.serve(handle)
    await rig.start()
    expected: list[tuple[bytes, str | None]] = []
    for at in cuts:
        answer = await rig.ask(PING, ID)
        passed, is_whole = _decoded(whole[:at])
        expected.append((PING, None))
        if at < head:
            assert answer.status == 502
            assert answer.body.startswith(b"sessionkeeper: http://127.0.0.1:")
            expected.append((b"", rig.troubles[-1]))
            continue
        assert (answer.status, answer.is_cut, answer.body) == (200, not is_whole, passed)
        if what == "a stream":
            expected += [(each.partition(b"data: ")[2], None) for each in _events(passed)]
            rest = passed.rpartition(b"\n\n")[2]
            data = rest.partition(b"data: ")[2].partition(b"\n")[0]
        else:
            data = passed
        if not is_whole:
            expected.append((data, SERVER_LEFT))
        elif what != "a stream":
            expected.append((passed, None))
    await rig.stop()
    assert [(frame.message, frame.oddity) for frame in await rig.frames()] == expected
    streams = {frame.context.stream for frame in await rig.frames()}
    assert len(streams) == len(cuts)


def _events(passed: bytes) -> list[bytes]:
    return passed.split(b"\n\n")[:-1]


def _decoded(raw: bytes) -> tuple[bytes, bool]:
    """Return the body in the beginning of an answer, and whether it is whole."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    if b"chunked" not in head:
        length = int(head.rpartition(b": ")[2] or 0) if head.rpartition(b": ")[2].isdigit() else -1
        return rest, len(rest) == length
    body = b""
    while True:
        size, found, rest = rest.partition(b"\r\n")
        if not found:
            return body, False
        if size == b"0":
            return body, rest == b"\r\n"
        length = int(size, 16)
        body += rest[:length]
        if len(rest) < length + 2:
            return body, False
        rest = rest[length + 2 :]


async def test_a_server_that_is_not_there(rig: Rig) -> None:
    """A 502 with one line; one line is told once; the request is recorded with the reason."""
    with socket.socket() as taken:  # nobody else gets the port, and nobody listens on it
        taken.bind(("127.0.0.1", 0))
        rig.server_port = taken.getsockname()[1]
        await rig.start()
        for _ in range(2):
            answer = await rig.ask()
            text = f"http://127.0.0.1:{rig.server_port} cannot be reached"
            assert (answer.status, answer.body) == (502, f"sessionkeeper: {text}\n".encode())
        assert rig.troubles == [text]
        await rig.stop()
    frames = await rig.frames()
    assert [frame.oddity for frame in frames] == [None, text] * 2
    assert frames[0].message == PING


async def test_a_server_that_speaks_something_else(rig: Rig) -> None:
    """As an SSH server would."""
    await rig.serve(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    await rig.start()
    answer = await rig.ask()
    assert answer.status == 502
    assert answer.body.endswith(b"does not speak HTTP\n")


async def test_a_server_that_answers_early(rig: Rig) -> None:
    """An answer before the end of the request passes: a body that is too large."""

    async def handle(request: Message, writer: asyncio.StreamWriter) -> bool:
        return False

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(plain(b"too large", "Connection: close", status="413 Too Large"))
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    rig.stack.callback(server.close)
    rig.server_port = server.sockets[0].getsockname()[1]
    await rig.start()
    answer = await rig.ask(b'"' + b"x" * 10_000_000 + b'"', ID)
    assert answer.status in {413, 502}, "a reset may overtake the answer, as without the proxy"
    await rig.stop()
    assert (await rig.frames())[-1].context.direction == "server-to-client"


async def test_the_end_of_the_proxy_ends_streams(rig: Rig) -> None:
    """A call that is not answered says why; a stream that was only listened to does not."""

    async def handle(request: Message, writer: asyncio.StreamWriter) -> bool:
        if request.line.startswith("GET"):
            writer.write(stream_head(ID) + chunk(EVENT))
        await request.client_leaves()
        return False

    await rig.serve(handle)
    await rig.start()
    async with asyncio.timeout(60), rig.connect() as listening, rig.connect() as calling:
        await listening.send(b"", ID, method="GET")
        await listening.reader.readuntil(b"notifications/x")
        await calling.send(PING, ID)
        while len(rig.requests) < 2:
            await asyncio.sleep(0.01)
        await rig.stop()
        answer = await calling.answer()
        assert (answer.status, b"the recorder ended" in answer.body) == (503, True)
    (session,) = await rig.sessions()
    assert session.state == "closed"
    oddities = [(frame.context.stream, frame.oddity) for frame in await rig.frames()]
    assert [each for each in oddities if each[1] is not None] == [
        ("POST-2", "the recorder ended before the end of the answer")
    ]
