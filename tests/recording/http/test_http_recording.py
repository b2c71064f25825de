"""What the record has of each exchange: bytes, stream, delivery; and what it never has."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import brotli
import pytest
import zstandard
from sessionkeeper import HttpDelivery, SseDelivery

from .conftest import ID, INITIALIZE, PING, PONG, chunk, plain, stream_head

if TYPE_CHECKING:
    from .conftest import Message, Rig

SECRETS = ("0123456789abcdef-secret", "BEARER-SECRET", "COOKIE-SECRET", "QUERY-SECRET")


async def test_frames_say_which_exchange_they_belong_to(rig: Rig) -> None:
    """Request and answer share a stream; exchanges are counted from 1 in a session."""
    body = (
        b": hello\n\nid: 7\nevent: message\nretry: 5\n"
        b'data: {"jsonrpc":"2.0","method":"notifications/x"}\n\ndata: ' + PONG + b"\n\n"
    )

    async def handle(request: Message, writer: asyncio.StreamWriter) -> None:
        if len(rig.requests) == 1:
            writer.write(plain(PONG, ID))
        else:
            writer.write(stream_head() + chunk(body) + b"0\r\n\r\n")

    await rig.serve(handle)
    await rig.start()
    await rig.ask(INITIALIZE)
    await rig.ask(PING, ID)
    await rig.ask(b"", ID, "Last-Event-ID: 7", method="GET")
    assert rig.requests[2].value("last-event-id") == "7"
    await rig.stop()
    frames = await rig.frames()
    event = SseDelivery(event_id="7", event_type="message", retry=5)
    post = HttpDelivery(method="POST", path="/mcp")
    assert [(frame.context.stream, frame.context.delivery) for frame in frames] == [
        ("POST-1", post),
        ("POST-1", HttpDelivery(method="POST", path="/mcp", status=200)),
        ("POST-2", post),
        ("POST-2", event),
        ("POST-2", SseDelivery()),
        ("GET-3", event),
        ("GET-3", SseDelivery()),
    ]
    assert [frame.message for frame in frames[:3]] == [INITIALIZE, PONG, PING]
    assert frames[3].message == b'{"jsonrpc":"2.0","method":"notifications/x"}'
    (session,) = await rig.sessions()
    assert session.client_info is not None
    assert (session.client_info["name"], session.transport_type) == ("editor", "streamable-http")


async def test_an_event_without_data_is_the_place_to_resume_from(rig: Rig) -> None:
    """It is kept, because a client may come back to it, and is no oddity."""
    await rig.serve(
        stream_head(ID) + chunk(b"id: 1\ndata:\n\nretry: 9\n\n: ping\n\n") + b"0\r\n\r\n"
    )
    await rig.start()
    await rig.ask()
    await rig.stop()
    _, first, second = await rig.frames()
    assert (first.kind, first.message, first.media_type) == ("opaque", b"", "text/event-stream")
    assert [frame.context.delivery for frame in (first, second)] == [
        SseDelivery(event_id="1"),
        SseDelivery(retry=9),
    ]


@pytest.mark.parametrize(
    ("status", "body", "method", "oddity"),
    [
        ("404 Not Found", b"", "POST", "HTTP 404 without a body"),
        ("500 Oh", b"<html>", "POST", "not JSON"),
        ("400 Bad", PONG, "POST", None),
        ("401 Unauthorized", b"", "GET", "HTTP 401 without a body"),
    ],
)
async def test_an_error_of_http_is_recorded(
    rig: Rig, status: str, body: bytes, method: str, oddity: str | None
) -> None:
    """With its status, whatever its body is."""
    await rig.serve(plain(body, status=status, kind="text/html"))
    await rig.start()
    await rig.ask(PING if method == "POST" else b"", method=method)
    await rig.stop()
    frame = (await rig.frames())[-1]
    assert (frame.message, frame.oddity) == (body, oddity)
    status_of = int(status.split(maxsplit=1)[0])
    assert frame.context.delivery == HttpDelivery(method=method, path="/mcp", status=status_of)


async def test_a_server_that_is_no_mcp_is_told(rig: Rig) -> None:
    """Once, with what it answers; what it answers is recorded nevertheless."""
    await rig.serve(plain(b"<html>", kind="text/html\x1b[2J"))
    await rig.start()
    await rig.ask()
    await rig.ask()
    (trouble,) = rig.troubles
    assert trouble.startswith("a call is answered with HTTP 200 text/html")
    await rig.stop()
    assert [frame.oddity for frame in await rig.frames()] == [None, "not JSON"] * 2


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_what_a_server_does_not_offer_is_no_error(rig: Rig, method: str) -> None:
    """405 is how it says that it has no stream of its own, and that it keeps its sessions."""
    await rig.serve(plain(b"", status="405 Method Not Allowed"))
    await rig.start()
    assert (await rig.ask(b"", ID, method=method)).status == 405
    await rig.stop()
    (session,) = await rig.sessions()
    assert (session.frame_count, session.failure) == (0, None)


async def test_an_accepted_notification_has_no_answer(rig: Rig) -> None:
    """202 without a body is no frame."""
    await rig.serve(plain(b"", ID, status="202 Accepted"))
    await rig.start()
    await rig.ask(b'{"jsonrpc":"2.0","method":"notifications/x"}', ID)
    await rig.stop()
    assert [frame.kind for frame in await rig.frames()] == ["notification"]


ENCODED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate ": lambda body: zlib.compress(body)[2:-4],
    "identity": lambda body: body,
    "gzip, identity": lambda body: gzip.compress(body[:5]) + gzip.compress(body[5:]),
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "ZSTD": lambda body: zstandard.compress(body[:5]) + zstandard.compress(body[5:]),
}


@pytest.mark.parametrize("encoding", ENCODED)
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
async def test_the_record_has_the_decoded_body(rig: Rig, encoding: str, kind: str) -> None:
    """Of a stream as it comes, one byte at a time; the client gets the encoded bytes."""
    text = PONG if kind == "application/json" else b"data: " + PONG + b"\n\n"
    encoded = ENCODED[encoding](text)
    head = stream_head(ID, f"Content-Encoding: {encoding}").replace(
        b"text/event-stream", kind.encode()
    )
    parts = b"".join(chunk(encoded[at : at + 1]) for at in range(len(encoded)))
    await rig.serve(head + parts + b"0\r\n\r\n")
    await rig.start()
    assert (await rig.ask()).body == encoded
    await rig.stop()
    assert [(frame.message, frame.oddity) for frame in await rig.frames()] == [
        (PING, None),
        (PONG, None),
    ]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "Deflate ", "br", "zstd"])
@pytest.mark.parametrize("size", [2**18 - 1, 2**18, 2**18 + 10, 2**19 + 257])
async def test_a_body_is_decoded_to_its_last_byte(rig: Rig, encoding: str, size: int) -> None:
    """Also where a decoder has taken all of it, and still holds some of what it decodes to."""
    whole = b'{"jsonrpc":"2.0","id":1,"result":{"x":"abcdefghij"}}'.ljust(size)
    await rig.serve(plain(ENCODED[encoding](whole), ID, f"Content-Encoding: {encoding}"))
    await rig.start()
    await rig.ask()
    await rig.stop()
    frame = (await rig.frames())[-1]
    assert (frame.message == whole, frame.oddity) == (True, None)


@pytest.mark.parametrize("encoding", ["br", "rot13", "gzip, br", "gzip"])
async def test_a_body_that_cannot_be_decoded_is_recorded_encoded(rig: Rig, encoding: str) -> None:
    """As an odd frame with the reason; the client gets it as it is."""
    body = b"\x8b\x1f no such encoding"
    await rig.serve(plain(body, ID, f"Content-Encoding: {encoding}"))
    await rig.start()
    assert (await rig.ask()).body == body
    await rig.stop()
    frame = (await rig.frames())[-1]
    assert frame.message == body
    assert frame.oddity is not None
    assert encoding.split(",", maxsplit=1)[0] in frame.oddity or "does not know" in frame.oddity


@pytest.mark.parametrize("cut", [1, 8, 20])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
async def test_a_body_that_ends_before_its_encoding_is_odd(
    rig: Rig, encoding: str, cut: int
) -> None:
    """Clients differ in what they make of it: the record has what it decodes to, and the reason."""
    whole = b'{"jsonrpc":"2.0","id":1,"result":{"text":"%b"}}' % b"".join(
        b"%d" % (each**5) for each in range(1000)
    )
    encoded = ENCODED[encoding](whole)[:-cut]
    await rig.serve(plain(encoded, ID, f"Content-Encoding: {encoding}"))
    await rig.start()
    assert (await rig.ask()).body == encoded
    await rig.stop()
    frame = (await rig.frames())[-1]
    assert frame.oddity == "the encoded body ends too early"
    assert whole.startswith(frame.message) or frame.message == encoded


async def test_a_body_that_grows_too_large_is_a_gap(rig: Rig) -> None:
    """A kilobyte may be a gigabyte decoded; it is not decoded to the end."""
    body = gzip.compress(bytes(10_000_000))
    await rig.serve(plain(body, ID, "Content-Encoding: gzip"))
    await rig.start(max_body=100_000)
    assert (await rig.ask()).body == body
    await rig.stop()
    frame = (await rig.frames())[-1]
    assert (frame.kind, frame.oddity) == ("gap", "larger than the recorder takes, decoded")


async def test_what_is_too_large_is_a_gap(rig: Rig) -> None:
    """A request, an answer and an event; what follows is whole again."""
    large = b'{"jsonrpc":"2.0","id":1,"result":"' + b"x" * 5_000 + b'"}'

    async def handle(request: Message, writer: asyncio.StreamWriter) -> None:
        if len(rig.requests) == 1:
            writer.write(plain(large, ID))
        else:
            events = b"data: " + large + b"\n\ndata: " + PONG + b"\n\n"
            writer.write(stream_head() + chunk(events) + b"0\r\n\r\n")

    await rig.serve(handle)
    await rig.start(max_body=1_000)
    await rig.ask(large)
    await rig.ask(PING, ID)
    await rig.stop()
    frames = await rig.frames()
    assert [frame.kind for frame in frames] == ["gap", "gap", "request", "gap", "result"]
    assert {json.loads(frames[at].message)["size"] for at in (0, 1, 3)} == {len(large)}
    assert [frame.context.stream for frame in frames] == ["POST-1"] * 2 + ["POST-2"] * 3


async def test_what_comes_too_fast_leaves_a_gap(rig: Rig) -> None:
    """A store that stands still holds nothing up, and the memory of what waits is bounded."""
    await rig.serve(plain(PONG, ID))
    stuck = asyncio.Event()

    async def open_recorder(fields: object) -> object:
        await stuck.wait()
        return await rig.open_recorder(fields)  # type: ignore[arg-type]

    await rig.start(max_pending=1_000, open_recorder=open_recorder)
    for _ in range(20):
        assert (await rig.ask(PING, ID)).body == PONG
    stuck.set()
    await rig.stop()
    frames = await rig.frames()
    gaps = [frame for frame in frames if frame.kind == "gap"]
    kept = len(frames) - len(gaps)
    assert 0 < kept < 40
    assert kept + sum(json.loads(gap.message)["lines"] for gap in gaps) == 40
    assert rig.troubles == ["recording is too slow: some messages are forwarded but not recorded"]
    assert rig.proxy.report().dropped == 40 - kept


async def test_no_secret_of_a_header_is_stored(rig: Rig) -> None:
    """Neither credentials, nor cookies, nor the id of the session, nor a query."""
    await rig.serve(plain(PONG, ID, "Set-Cookie: sid=COOKIE-SECRET"))
    await rig.start(session_by="Authorization")
    headers = "Authorization: Bearer BEARER-SECRET", "Cookie: sid=COOKIE-SECRET"
    await rig.ask(INITIALIZE, *headers)
    await rig.ask(PING, ID, *headers, path="/mcp?key=QUERY-SECRET")
    await rig.stop()
    (session,) = await rig.sessions()
    assert session.principal is not None
    assert session.principal.startswith("authorization:")
    assert len(session.principal) < 32
    assert session.upstream_session_id is not None
    assert session.upstream_session_id.startswith("sha256:")
    kept = session.model_dump_json() + "".join(f.model_dump_json() for f in await rig.frames())
    assert "/mcp" in kept
    for secret in SECRETS:
        assert secret not in kept
        assert secret not in repr(session) + repr(rig.proxy) + "".join(rig.troubles)


async def test_only_the_endpoint_is_recorded(rig: Rig) -> None:
    """Not what a client asks for its token, though it passes; paths below it, if they are MCP."""
    await rig.serve(plain(b'{"access_token":"SECRET"}'))
    await rig.start(path="/")
    for path in "/token", "/register", "/.well-known/oauth-authorization-server":
        await rig.ask(b'{"client_secret":"SECRET"}', "Accept: application/json", path=path)
    await rig.ask(PING, path="/.well-known/x")
    await rig.ask(PING, path="/one/mcp")
    await rig.ask(PING, path="/")
    assert len(rig.requests) == 6
    await rig.stop()
    paths = {frame.context.delivery.path for frame in await rig.frames()}  # type: ignore[union-attr]
    assert paths == {"/one/mcp", "/"}
