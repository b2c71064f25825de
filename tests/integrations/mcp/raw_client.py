"""A client that speaks HTTP itself, and so can leave and come back at any place."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import httpx2
from httpx2 import EventSource, ServerSentEvent
from mcp_types.version import LATEST_HANDSHAKE_VERSION

__all__ = ["RawClient", "read_all", "said"]


class RawClient:
    """One session of a server; `url` may be changed to that of another worker."""

    def __init__(self, http: httpx2.AsyncClient, url: str, **headers: str) -> None:
        self.http = http
        self.url = url
        self.session_id = ""
        self.version = LATEST_HANDSHAKE_VERSION
        self._headers = headers
        self._ids = count(1)

    def headers(self, **more: str) -> dict[str, str]:
        """Those of each request."""
        known = {"mcp-protocol-version": self.version} | self._headers | more
        if self.session_id:
            known["mcp-session-id"] = self.session_id
        return {"accept": "application/json, text/event-stream", **known}

    async def initialize(self) -> None:
        """Open a session."""
        params = {
            "protocolVersion": self.version,
            "capabilities": {},
            "clientInfo": {"name": "raw", "version": "0"},
        }
        response = await self.post("initialize", params)
        assert response.status_code == 200, response.text
        self.session_id = response.headers["mcp-session-id"]
        response = await self.notify("notifications/initialized")
        assert response.status_code == 202

    async def post(self, method: str, params: dict[str, Any]) -> httpx2.Response:
        """Send a request and read the whole answer."""
        return await self.http.post(
            self.url, json=self._request(method, params), headers=self.headers()
        )

    async def notify(self, method: str) -> httpx2.Response:
        """Send a notification."""
        body = {"jsonrpc": "2.0", "method": method}
        return await self.http.post(self.url, json=body, headers=self.headers())

    @asynccontextmanager
    async def calling(self, name: str, **arguments: Any) -> AsyncIterator[AsyncIterator[Any]]:
        """Call a tool and read its events while the block runs."""
        params = {"name": name, "arguments": arguments, "_meta": {"progressToken": "p"}}
        body = self._request("tools/call", params)
        headers = self.headers()
        async with self.http.stream("POST", self.url, json=body, headers=headers) as response:
            assert response.status_code == 200, await response.aread()
            yield aiter(EventSource(response))

    @asynccontextmanager
    async def listening(self, after: str | None = None) -> AsyncIterator[AsyncIterator[Any]]:
        """Open a stream, or come back to one, while the block runs."""
        headers = self.headers(**({} if after is None else {"last-event-id": after}))
        async with self.http.stream("GET", self.url, headers=headers) as response:
            assert response.status_code == 200, await response.aread()
            yield aiter(EventSource(response))

    def _request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}


async def read_all(events: AsyncIterator[ServerSentEvent]) -> list[ServerSentEvent]:
    """Read a stream to its end."""
    return [event async for event in events]


def said(events: list[ServerSentEvent]) -> list[str]:
    """What the messages say: of a step, of an answer, of an error."""
    return [_text(json.loads(event.data)) for event in events if event.data]


def _text(message: dict[str, Any]) -> str:
    if "error" in message:
        return str(message["error"]["message"])
    if "result" in message:
        return str(message["result"]["content"][0]["text"])
    params = message["params"]
    return str(params.get("message") or params.get("uri"))
