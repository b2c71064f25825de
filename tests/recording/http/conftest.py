"""A rig for the HTTP proxy: a scripted server behind, a client on a raw socket in front."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from sessionkeeper import (
    ManagerConfig,
    MessageEnvelope,
    Session,
    SessionManager,
    SessionQuery,
)
from sessionkeeper.recording import Recorder, SessionRecorder
from sessionkeeper.recording.http import HttpProxy, Serving, listen_on
from sessionkeeper.recording.http.sessions import SessionFields

LIMIT = 60
"""Seconds: only what hangs takes so long."""


@dataclass
class Message:
    """A request or an answer: first line, headers in lower case, body."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    is_cut: bool = False
    """Whether the connection ended before the body did."""
    reader: asyncio.StreamReader | None = None

    async def client_leaves(self) -> None:
        """Wait until the other side has closed its connection."""
        assert self.reader is not None
        with suppress(ConnectionError):
            await self.reader.read()

    @property
    def status(self) -> int:
        return int(self.line.split()[1])

    def values(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each == name]

    def value(self, name: str) -> str | None:
        return next(iter(self.values(name)), None)


async def read_head(reader: asyncio.StreamReader) -> Message:
    """Read up to the blank line. Raises `IncompleteReadError` at the end."""
    line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
    pairs = [each.split(":", 1) for each in rest]
    return Message(line, [(name.lower(), value.strip()) for name, value in pairs], reader=reader)


async def read_size(reader: asyncio.StreamReader) -> int:
    """Read the size of a chunk. A part of that line is no part of the body."""
    try:
        return int((await reader.readuntil(b"\n")).split(b";")[0], 16)
    except asyncio.IncompleteReadError:
        raise ConnectionError("cut within the size of a chunk") from None


async def read_body(reader: asyncio.StreamReader, head: Message, *, to_end: bool) -> None:
    """Add the body to a message, as its head says."""
    try:
        if head.value("transfer-encoding") == "chunked":
            while size := await read_size(reader):
                head.body += (await reader.readexactly(size + 2))[:-2]
            while (await reader.readuntil(b"\n")).strip():
                pass
        elif (length := head.value("content-length")) is not None:
            head.body = await reader.readexactly(int(length))
        elif to_end:
            head.body = await reader.read()
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        head.is_cut = True
        head.body += getattr(error, "partial", b"")


Handler = Callable[[Message, asyncio.StreamWriter], Awaitable[object]]


def plain(
    body: bytes, *headers: str, status: str = "200 OK", kind: str = "application/json"
) -> bytes:
    """Return the bytes of an answer with its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def chunk(body: bytes) -> bytes:
    """Return one chunk of a body."""
    return b"%x\r\n%s\r\n" % (len(body), body)


def stream_head(*headers: str) -> bytes:
    """Return the head of a stream of events."""
    lines = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked"]
    return "\r\n".join([*lines, *headers, "", ""]).encode()


PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
PONG = b'{"jsonrpc":"2.0","id":1,"result":{}}'
INITIALIZE = (
    b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18",'
    b'"capabilities":{},"clientInfo":{"name":"editor","version":"3"}}}'
)
ID = "Mcp-Session-Id: 0123456789abcdef-secret"


@dataclass
class Rig:
    """One proxy in front of one scripted server, recorded into a store in memory."""

    manager: SessionManager
    stack: AsyncExitStack
    requests: list[Message] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    port: int = 0
    server_port: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _running: asyncio.Task[None] | None = None
    _proxy: HttpProxy | None = None

    async def serve(self, handler: Handler | bytes) -> None:
        """Answer each request with these bytes, or let `handler` do it."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # The loop of a test that ends cancels its tasks, and asyncio would complain.
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while True:
                    request = await read_head(reader)
                    self.requests.append(request)
                    await read_body(reader, request, to_end=False)
                    if isinstance(handler, bytes):
                        writer.write(handler)
                    elif await handler(request, writer) is False:
                        break
                    await writer.drain()
            writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self.stack.callback(server.close)
        self.server_port = server.sockets[0].getsockname()[1]

    async def start(self, path: str = "/mcp", **options: object) -> None:
        """Start the proxy."""
        listener = listen_on("127.0.0.1:0")
        self.port = listener.getsockname()[1]
        open_recorder = options.pop("open_recorder", self.open_recorder)
        self._proxy = HttpProxy(
            f"http://127.0.0.1:{self.server_port}{path}",
            open_recorder,  # type: ignore[arg-type]
            listen=f"127.0.0.1:{self.port}",
            on_trouble=self.troubles.append,
            **options,  # type: ignore[arg-type]
        )
        await self.stack.enter_async_context(self._proxy)
        self._running = asyncio.create_task(Serving(self._proxy, listener).run_until(self.ended))

    @property
    def proxy(self) -> HttpProxy:
        assert self._proxy is not None
        return self._proxy

    async def open_recorder(self, fields: SessionFields) -> Recorder:
        """Open the recorder of a session in the store of the rig."""
        return await SessionRecorder.open(self.manager, **fields)

    async def stop(self) -> None:
        """End the proxy; all that it saw is in the store then."""
        if self._running is not None:
            self.ended.set()
            await asyncio.wait_for(self._running, LIMIT)
            self._running = None
            await self.proxy.aclose()

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[Client]:
        """Connect to the proxy."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        try:
            yield Client(reader, writer, self.port)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def ask(
        self, body: bytes = PING, *headers: str, method: str = "POST", path: str = "/mcp"
    ) -> Message:
        """Send one request on a connection of its own, and return the answer."""
        async with asyncio.timeout(LIMIT), self.connect() as client:
            await client.send(body, *headers, method=method, path=path)
            return await client.answer(method)

    async def sessions(self) -> list[Session]:
        """Return all sessions, in order of creation."""
        return list((await self.manager.store.find_sessions(SessionQuery(), limit=1000)).sessions)

    async def frames(self, at: int = 0) -> list[MessageEnvelope]:
        """Return the frames of one session."""
        return await self.manager.store.get_frames((await self.sessions())[at].id)


@dataclass
class Client:
    """A connection to the proxy."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    port: int

    async def send(
        self, body: bytes = PING, *headers: str, method: str = "POST", path: str = "/mcp"
    ) -> None:
        names = {each.partition(":")[0].lower() for each in headers}
        lines = [f"{method} {path} HTTP/1.1", *headers]
        if "host" not in names:
            lines.append(f"Host: 127.0.0.1:{self.port}")
        if "accept" not in names:
            lines.append("Accept: application/json, text/event-stream")
        if body and "content-type" not in names:
            lines.append("Content-Type: application/json")
        if body and "transfer-encoding" not in names:
            lines.append(f"Content-Length: {len(body)}")
        self.writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        await self.writer.drain()

    async def answer(self, method: str = "POST") -> Message:
        head = await read_head(self.reader)
        while head.status < 200:
            head = await read_head(self.reader)
        if method != "HEAD" and head.status not in {204, 304}:
            await read_body(self.reader, head, to_end=True)
        return head


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that opens or records late is a slow machine here, and nothing to be told."""
    monkeypatch.setattr("sessionkeeper.recording.late_recorder._LONG", LIMIT)
    monkeypatch.setattr("sessionkeeper.recording.late_recorder._LAST_ATTEMPT", LIMIT)
    monkeypatch.setattr("sessionkeeper.recording.http.session._PATIENCE", LIMIT)


@pytest.fixture
async def rig() -> AsyncGenerator[Rig]:
    async with SessionManager(ManagerConfig.recording()) as manager, AsyncExitStack() as stack:
        rig = Rig(manager, stack)
        yield rig
        await rig.stop()
