"""Recordings of real servers, made with the real recorder."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from sessionkeeper import AtomicSessionStore, ManagerConfig, SessionManager
from sessionkeeper.recording import SessionRecorder
from sessionkeeper.recording.stdio import StdioProxy, StdioReport


class RecordedServer:
    """A server behind a proxy that records into a store; the block is the client."""

    def __init__(self, store: AtomicSessionStore, command: Sequence[str], **fields: Any) -> None:
        self._store, self._command, self._fields = store, command, fields
        self._numbers = 0
        self.session_id = ""

    async def __aenter__(self) -> Self:
        config = ManagerConfig.recording()
        self._manager = SessionManager.with_store(self._store, config)
        await self._manager.__aenter__()
        recorder = await SessionRecorder.open(self._manager, self._command, **self._fields)
        self.session_id = recorder.session_id
        server_reads, self._to_server = os.pipe()
        self._from_server, server_writes = os.pipe()
        proxy = StdioProxy(
            self._command,
            recorder,
            client_in=server_reads,
            client_out=server_writes,
            on_trouble=print,
        )
        self._running: asyncio.Task[StdioReport] = asyncio.create_task(proxy.run())
        self._lines = os.fdopen(self._from_server, "rb")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._to_server)
        await self._running
        self._lines.close()
        await self._manager.__aexit__(kind, error, traceback)

    def send(self, message: bytes) -> None:
        """Send a line."""
        os.write(self._to_server, message + b"\n")

    async def line(self) -> bytes:
        """Return the next line of the server."""
        return await asyncio.to_thread(self._lines.readline)

    def notify(self, method: str) -> None:
        self.send(json.dumps({"jsonrpc": "2.0", "method": method}).encode())

    async def ask(self, method: str, params: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Send a request, and return the next message of the server."""
        self._numbers += 1
        message = {"jsonrpc": "2.0", "id": self._numbers, "method": method, "params": params or {}}
        self.send(json.dumps(message).encode())
        answer: dict[str, Any] = json.loads(await self.line())
        return answer

    async def greet(self, name: str = "editor") -> None:
        """Initialize the session, as the client of this name."""
        await self.ask(
            "initialize",
            {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": name, "version": "1"},
            },
        )
        self.notify("notifications/initialized")

    async def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool."""
        return await self.ask("tools/call", {"name": tool, "arguments": arguments})
