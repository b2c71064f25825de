"""A conversation over HTTP, with a recorder or not, whose connections are cut at any byte."""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from sessionkeeper import ManagerConfig, MessageEnvelope, Session, SessionManager, SessionState

from tests.recording.http.conftest import Client, Message, Rig, chunk, plain, read_body, read_head
from tests.recording.servers.relay import Cut, relaying

__all__ = ["EXCHANGES", "Conversation", "Outcome", "Place", "hold"]

LIMIT = 60
"""Seconds: only what hangs takes so long."""
Place = Literal["client", "server"]
SESSION = "Mcp-Session-Id: 0123456789abcdef"
RESULT = b'{"jsonrpc":"2.0","id":2,"result":{"a":1e2}}'
STEP = (
    b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":2,"progress":1}}'
)
PONG = b'{"jsonrpc":"2.0","id":3,"result":{}}'
PACKED = gzip.compress(PONG, mtime=0)
STREAM = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Exchange(NamedTuple):
    """A request, its answer on the wire, and what is to be stored of the answer."""

    method: str
    request: bytes
    answer: bytes
    messages: tuple[bytes, ...]


EXCHANGES = (
    Exchange(
        "POST",
        b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18",'
        b'"capabilities":{},"clientInfo":{"name":"cut","version":"1"}}}',
        plain(b'{"jsonrpc":"2.0","id":1,"result":{}}', SESSION),
        (b'{"jsonrpc":"2.0","id":1,"result":{}}',),
    ),
    Exchange(
        "POST",
        b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
        plain(b"", status="202 Accepted"),
        (),
    ),
    Exchange(
        "POST",
        b'{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"a"}}',
        STREAM.encode()
        + chunk(b"data: " + STEP + b"\n\n")
        + chunk(b"data: " + RESULT + b"\n\n")
        + b"0\r\n\r\n",
        (STEP, RESULT),
    ),
    Exchange(
        "POST",
        b'{"jsonrpc":"2.0","id":3,"method":"ping"}',
        plain(PACKED, "Content-Encoding: gzip"),
        (PONG,),
    ),
    Exchange("DELETE", b"", plain(b""), ()),
)


class Outcome(NamedTuple):
    """What a client saw of one exchange."""

    status: int
    """0 if there was no answer, which a proxy says as 502."""
    body: bytes
    is_whole: bool


FAILED = Outcome(0, b"", False)


@dataclass
class Conversation:
    """What came of all exchanges."""

    outcomes: list[Outcome] = field(default_factory=list)
    handled: list[bytes] = field(default_factory=list)
    """The requests that the server received whole."""
    sessions: list[Session] = field(default_factory=list)
    frames: list[MessageEnvelope] = field(default_factory=list)
    cuts: int = 0

    def faults_of_record(self) -> list[str]:
        """Compare the record with what the client saw and what the server handled."""
        stored = Counter(frame.message for frame in self.frames)
        odd = [frame for frame in self.frames if not frame.is_message]
        says_so = bool(odd) or any(each.state is SessionState.FAILED for each in self.sessions)
        found: list[str] = []
        for exchange, outcome in zip(EXCHANGES, self.outcomes, strict=True):
            wanted = ((exchange.request,) if exchange.request else ()) + exchange.messages
            missing = [each for each in wanted if not stored[each]]
            if not missing:
                continue
            if outcome.is_whole:
                found.append(f"the client has an answer that is not stored: {missing}")
            elif exchange.request in self.handled and exchange.request and not says_so:
                found.append(f"the record does not say that this is missing: {missing}")
        known = {each.request for each in EXCHANGES}.union(*(each.messages for each in EXCHANGES))
        found += [
            f"never sent: {frame.message!r}"
            for frame in self.frames
            if frame.is_message and frame.message not in known
        ]
        return found


async def hold(cut: Cut | None, place: Place, *, recorded: bool) -> Conversation:
    """Hold the conversation, with a relay that cuts it before or behind the recorder."""
    found = Conversation()
    async with (
        asyncio.timeout(LIMIT),
        SessionManager(ManagerConfig.recording()) as manager,
        AsyncExitStack() as stack,
        _serving(found) as port,
    ):
        behind = cut if place == "server" else None
        relays = [await stack.enter_async_context(relaying(port, behind))]
        rig = Rig(manager, stack)
        target = rig.server_port = relays[0].port
        if recorded:
            await rig.start()
            target = rig.port
        if place == "client":
            relays.append(await stack.enter_async_context(relaying(target, cut)))
            target = relays[-1].port
        await _talk(target, found)
        await rig.stop()
        found.cuts = sum(each.cuts for each in relays)
        if recorded:
            found.sessions = await rig.sessions()
            for session in found.sessions:
                found.frames += await manager.store.get_frames(session.id)
    return found


@asynccontextmanager
async def _serving(found: Conversation) -> AsyncIterator[int]:
    """Serve what `EXCHANGES` has, and note what was asked."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = await read_head(reader)
                await read_body(reader, request, to_end=False)
                if request.is_cut:
                    break
                found.handled.append(request.body)
                method = request.line.split()[0]
                answer = next(
                    each.answer
                    for each in EXCHANGES
                    if (each.method, each.request) == (method, request.body)
                )
                writer.write(answer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def _talk(port: int, found: Conversation) -> None:
    """Be a client that opens a new connection after a failure, and repeats nothing."""
    client: Client | None = None
    for exchange in EXCHANGES:
        outcome = FAILED
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            if client is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                client = Client(reader, writer, port)
            await client.send(exchange.request, SESSION, method=exchange.method)
            outcome = _outcome(await client.answer(exchange.method))
        found.outcomes.append(outcome)
        if not outcome.is_whole and client is not None:
            client.writer.close()
            client = None
    if client is not None:
        client.writer.close()


def _outcome(answer: Message) -> Outcome:
    return (
        FAILED if answer.status == 502 else Outcome(answer.status, answer.body, not answer.is_cut)
    )
