"""Which session an exchange is recorded in; nothing is matched across sessions."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from .conftest import ID, INITIALIZE, PING, PONG, chunk, plain, stream_head

if TYPE_CHECKING:
    from .conftest import Message, Rig


def stateless(name: str, number: int = 1) -> bytes:
    """Return a request as since 2026-07-28."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": name, "version": "1"},
    }
    call = {"jsonrpc": "2.0", "id": number, "method": "tools/list", "params": {"_meta": meta}}
    return json.dumps(call).encode()


async def test_a_session_is_opened_by_the_answer_that_names_it(rig: Rig) -> None:
    """The request before it is the first frame, with the time at which it passed."""
    asked, answer = asyncio.Event(), asyncio.Event()

    async def handle(request: Message, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await answer.wait()
        writer.write(plain(PONG, f"Mcp-Session-Id: {len(rig.requests)}"))

    await rig.serve(handle)
    await rig.start()
    asking = asyncio.create_task(rig.ask(INITIALIZE))
    await asked.wait()
    assert await rig.sessions() == []
    answered = datetime.now(UTC)
    answer.set()
    await asking
    await rig.ask(INITIALIZE)
    await rig.stop()
    assert [session.frame_count for session in await rig.sessions()] == [2, 2]
    first, second = await rig.frames()
    assert (first.message, second.message) == (INITIALIZE, PONG)
    assert first.context.timestamp <= answered <= second.context.timestamp


async def test_delete_ends_a_session(rig: Rig) -> None:
    """In order; what comes with its id then belongs to another session of the record."""
    await rig.serve(plain(PONG, ID))
    await rig.start()
    await rig.ask(INITIALIZE)
    await rig.ask(b"", ID, method="DELETE")
    while (await rig.sessions())[0].ended_at is None:
        await asyncio.sleep(0.01)
    await rig.ask(PING, ID)
    await rig.stop()
    first, second = await rig.sessions()
    assert (first.state, first.failure, second.state) == ("closed", None, "closed")
    assert first.upstream_session_id == second.upstream_session_id is not None


async def test_a_session_that_the_server_forgot_has_failed(rig: Rig) -> None:
    """404 to its id; the client will begin a new one."""

    async def handle(request: Message, writer: asyncio.StreamWriter) -> None:
        forgot = len(rig.requests) == 2
        writer.write(plain(b"", status="404 Not Found") if forgot else plain(PONG, ID))

    await rig.serve(handle)
    await rig.start()
    await rig.ask(INITIALIZE)
    await rig.ask(PING, ID)
    await rig.stop()
    (session,) = await rig.sessions()
    assert (session.state, session.failure) == ("failed", "the server forgot the session")
    assert (await rig.frames())[-1].oddity == "HTTP 404 without a body"


async def test_a_session_that_was_not_seen_opened_goes_on(rig: Rig) -> None:
    """After a restart of the recorder, in a new session with the digest of the same id."""
    await rig.serve(plain(PONG, ID))
    await rig.start()
    await rig.ask(INITIALIZE)
    await rig.stop()
    rig.ended.clear()
    await rig.start()
    await rig.ask(PING, ID)
    await rig.stop()
    first, second = await rig.sessions()
    assert first.upstream_session_id == second.upstream_session_id is not None
    assert (await rig.frames(1))[0].context.stream == "POST-1"


async def test_clients_without_sessions_are_told_apart(rig: Rig) -> None:
    """By their names, and by the value of the chosen header."""
    await rig.serve(plain(PONG))
    await rig.start(session_by="X-User")
    for name, user in ("a", "ann"), ("b", "ann"), ("a", "bob"), ("a", "ann"):
        await rig.ask(stateless(name), f"X-User: {user}")
    await rig.stop()
    sessions = await rig.sessions()
    assert [(each.principal, each.frame_count) for each in sessions] == [
        ("ann", 4),
        ("ann", 2),
        ("bob", 2),
    ]
    assert {each.state for each in sessions} == {"closed"}
    assert [frame.context.stream for frame in await rig.frames()] == ["POST-1"] * 2 + ["POST-2"] * 2


async def test_a_call_of_a_client_without_session_is_filed_at_once(rig: Rig) -> None:
    """Its name is in the request, so an open call can be seen while it runs."""
    answer = asyncio.Event()

    async def handle(request: Message, writer: asyncio.StreamWriter) -> None:
        await answer.wait()
        writer.write(plain(PONG))

    await rig.serve(handle)
    await rig.start()
    asking = asyncio.create_task(rig.ask(stateless("a")))
    while not await rig.sessions() or not await rig.frames():
        await asyncio.sleep(0.01)
    assert [frame.kind for frame in await rig.frames()] == ["request"]
    answer.set()
    await asking


async def test_a_pause_ends_the_session_of_a_client_without_one(rig: Rig) -> None:
    """A call that takes long is no pause; a session with an id has none."""
    answer = asyncio.Event()

    async def handle(request: Message, writer: asyncio.StreamWriter) -> None:
        if len(rig.requests) == 2:
            await answer.wait()
        writer.write(plain(PONG, *([ID] if request.value("mcp-session-id") else [])))

    await rig.serve(handle)
    await rig.start(idle=0.1)
    await rig.ask(PING, ID)
    asking = asyncio.create_task(rig.ask(stateless("a")))
    while len(await rig.sessions()) < 2:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)
    assert [each.ended_at for each in await rig.sessions()] == [None, None]
    answer.set()
    await asking
    while (await rig.sessions())[1].ended_at is None:
        await asyncio.sleep(0.01)
    await rig.ask(stateless("a"))
    await asyncio.sleep(0.05)  # an end that is too early has the time to come
    first, second, third = await rig.sessions()
    assert (first.ended_at is None, second.ended_at is None) == (True, False)
    # It is new, and open unless it has paused as long by now.
    assert third.ended_at is None or third.ended_at - third.created_at >= timedelta(seconds=0.1)


async def test_before_2026_a_client_is_known_by_its_program(rig: Rig) -> None:
    """A server without sessions hears its name once; later requests have the same user agent."""
    await rig.serve(plain(PONG))
    await rig.start()
    await rig.ask(INITIALIZE, "User-Agent: editor/3")
    await rig.ask(PING, "User-Agent: editor/3")
    await rig.ask(PING, "User-Agent: curl")
    await rig.stop()
    first, second = await rig.sessions()
    assert (first.frame_count, second.frame_count) == (4, 2)
    assert first.client_info is not None
    assert first.client_info["name"] == "editor"


async def test_the_number_of_sessions_is_bounded(rig: Rig, monkeypatch: object) -> None:
    """The one that was idle longest ends for a new one."""
    from sessionkeeper.recording.http import sessions

    monkeypatch.setattr(sessions, "_MAX_SESSIONS", 3)  # type: ignore[attr-defined]
    await rig.serve(plain(PONG))
    await rig.start()
    for number in range(5):
        await rig.ask(PING, f"Mcp-Session-Id: {number}")
    while sum(each.ended_at is not None for each in await rig.sessions()) < 2:
        await asyncio.sleep(0.01)
    assert [each.ended_at is None for each in await rig.sessions()] == [False] * 2 + [True] * 3


async def test_interleaved_exchanges_keep_their_streams(rig: Rig) -> None:
    """Answers that overtake each other belong to their own requests."""
    waiting = [asyncio.Event() for _ in range(10)]

    async def handle(request: Message, writer: asyncio.StreamWriter) -> None:
        number: int = json.loads(request.body)["id"]
        await waiting[number].wait()
        writer.write(plain(b'{"jsonrpc":"2.0","id":%d,"result":{}}' % number))

    await rig.serve(handle)
    await rig.start()
    calls = [b'{"jsonrpc":"2.0","id":%d,"method":"x"}' % number for number in range(10)]
    asking = [asyncio.create_task(rig.ask(call, ID)) for call in calls]
    while len(rig.requests) < 10:
        await asyncio.sleep(0.01)
    for number in reversed(range(10)):
        waiting[number].set()
        await asking[number]
    await rig.stop()
    ids: dict[str, set[object]] = {}
    for frame in await rig.frames():
        ids.setdefault(str(frame.context.stream), set()).add(json.loads(frame.message)["id"])
    assert len(ids) == 10
    assert all(len(each) == 1 for each in ids.values())


async def test_the_old_transport_with_an_absolute_endpoint(rig: Rig) -> None:
    """The client is led back to the proxy, and what it posts there is of the same session."""
    posted = asyncio.Event()

    async def handle(request: Message, writer: asyncio.StreamWriter) -> bool | None:
        if request.line.startswith("POST"):
            writer.write(plain(b"Accepted", status="202 Accepted", kind="text/plain"))
            posted.set()
            return None
        url = f"http://127.0.0.1:{rig.server_port}/messages?session=SECRET"
        writer.write(stream_head() + chunk(f"event: endpoint\ndata: {url}\n\n".encode()))
        await posted.wait()
        writer.write(chunk(b"event: message\ndata: " + PONG + b"\n\n") + b"0\r\n\r\n")
        return None

    await rig.serve(handle)
    await rig.start(path="/sse")
    async with asyncio.timeout(60), rig.connect() as client:
        await client.send(b"", method="GET", path="/sse")
        event = await client.reader.readuntil(b"SECRET\n\n")
        endpoint = event.rpartition(b"data: ")[2].strip().decode()
        assert endpoint == f"http://127.0.0.1:{rig.port}/messages?session=SECRET"
        answer = await rig.ask(PING, path="/messages?session=SECRET")
        assert answer.status == 202
        await client.reader.readuntil(b"0\r\n\r\n")
    while (await rig.sessions())[0].ended_at is None:
        await asyncio.sleep(0.01)
    await rig.stop()
    (session,) = await rig.sessions()
    assert (session.transport_type, session.state) == ("sse", "closed")
    frames = await rig.frames()
    shown = f"http://127.0.0.1:{rig.server_port}/messages?session=[redacted]"
    assert [frame.message for frame in frames if frame.message != b"Accepted"] == [
        shown.encode(),
        PING,
        PONG,
    ]
    assert {frame.context.stream for frame in frames} == {"GET-1", "POST-2"}
