"""Real clients and servers of the SDK through the proxy, in each revision and transport."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import uvicorn
from mcp import types
from mcp.client.client import Client
from mcp.client.sse import sse_client
from mcp.server.mcpserver import Context, MCPServer
from sessionkeeper.recording.http import listen_on
from starlette.types import ASGIApp

if TYPE_CHECKING:
    from .conftest import Rig


def make_server() -> MCPServer:
    server = MCPServer("clock")

    @server.tool()
    async def echo(text: str) -> str:
        """Return the text."""
        return text

    @server.tool()
    async def steps(count: int, ctx: Context) -> str:
        """Report progress, step by step."""
        for number in range(count):
            await ctx.report_progress(number, count)
        return "done"

    return server


class _Quiet(uvicorn.Server):
    @asynccontextmanager
    async def running(self, listener: socket.socket) -> AsyncGenerator[None]:
        task = asyncio.create_task(self._serve(sockets=[listener]))
        while not self.started:
            await asyncio.sleep(0.01)
        try:
            yield
        finally:
            self.should_exit = self.force_exit = True
            await task


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncGenerator[int]:
    """Serve an application on a free port, and yield the port."""
    listener = listen_on("127.0.0.1:0")
    config = uvicorn.Config(app, log_config=None, log_level="critical", ws="none")
    async with _Quiet(config).running(listener):
        yield listener.getsockname()[1]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("as_json", [True, False])
async def test_a_session_of_the_sdk(rig: Rig, mode: str, as_json: bool) -> None:
    """A large result, progress and 16 calls at once; all of it is in one session of the record."""
    app = make_server().streamable_http_app(json_response=as_json)
    async with asyncio.timeout(120), served(app) as rig.server_port:
        await rig.start()
        url = f"http://127.0.0.1:{rig.port}/mcp"
        seen: list[float] = []

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            seen.append(progress)

        async with Client(url, mode=mode) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == {"echo", "steps"}
            texts = [f"call {number} " + "x" * 1000 for number in range(16)]
            results = await asyncio.gather(
                *(client.call_tool("echo", {"text": text}) for text in texts)
            )
            contents = [result.content[0] for result in results]
            assert [each.text for each in contents if isinstance(each, types.TextContent)] == texts
            await client.call_tool("steps", {"count": 3}, progress_callback=on_progress)
            large = await client.call_tool("echo", {"text": "é" * 100_000})
            assert isinstance(large.content[0], types.TextContent)
            assert len(large.content[0].text) == 100_000
        await rig.stop()
    if not as_json:
        assert seen == [0, 1, 2]
    (session,) = await rig.sessions()
    assert session.state == "closed"
    assert session.client_info is not None
    assert session.version_state.negotiated == ("2026-07-28" if mode == "auto" else "2025-11-25")
    frames = await rig.frames()
    assert [frame.oddity for frame in frames if frame.oddity is not None] == []
    kinds = [frame.kind for frame in frames]
    assert kinds.count(kinds[0]) == sum(frame.kind == "result" for frame in frames)
    assert max(len(frame.message) for frame in frames) > 200_000
    assert rig.troubles == []


async def test_a_session_of_the_old_transport(rig: Rig) -> None:
    """Its endpoint leads back through the proxy; the session ends with its stream."""
    async with asyncio.timeout(120), served(make_server().sse_app()) as rig.server_port:
        await rig.start(path="/sse")
        url = f"http://127.0.0.1:{rig.port}/sse"
        async with Client(sse_client(url), mode="legacy") as client:
            result = await client.call_tool("echo", {"text": "hello"})
            assert isinstance(result.content[0], types.TextContent)
            assert result.content[0].text == "hello"
        while not (await rig.sessions())[0].ended_at:
            await asyncio.sleep(0.01)
        await rig.stop()
    (session,) = await rig.sessions()
    assert (session.transport_type, session.state) == ("sse", "closed")
    frames = await rig.frames()
    assert frames[0].message == b"/messages/?session_id=[redacted]"
    # Its answers to POST say "Accepted": opaque as the endpoint, and no reason to worry.
    assert {frame.message for frame in frames if frame.kind is frames[0].kind} == {
        frames[0].message,
        b"Accepted",
    }
    assert session.odd_frames == 0
    answers = {frame.context.stream for frame in frames if frame.kind == "result"}
    assert answers == {"GET-1"}
    requests = {frame.context.stream for frame in frames if frame.kind == "request"}
    assert requests <= {f"POST-{number}" for number in range(2, 9)}
