"""The server whose calls the tests make: each step of a call waits for the test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
)

__all__ = ["make_lowlevel", "make_server"]


def make_server() -> MCPServer:
    """A server with calls that report, wait, and close their stream."""
    server = MCPServer("tools")

    @server.tool()
    async def steps(number: int, gate: str, ctx: Context[Any, Any]) -> str:
        """Report as many steps, each once the file `gate` says that it may."""
        for step in range(number):
            while _allowed(gate) <= step:
                await asyncio.sleep(0.005)
            await ctx.report_progress(step, number, f"step {step}")
        while _allowed(gate) <= number:
            await asyncio.sleep(0.005)
        return "done"

    @server.tool()
    async def say(text: str) -> str:
        """Answer at once."""
        return text

    @server.tool()
    async def close_first(ctx: Context[Any, Any]) -> str:
        """Close the stream before anything was sent on it."""
        await ctx.close_sse_stream()
        return "closed"

    @server.tool()
    async def flood(number: int, size: int, ctx: Context[Any, Any]) -> str:
        """Send large messages on the standalone stream."""
        for step in range(number):
            await ctx.session.send_resource_updated(f"file:///{step}/{'x' * size}")
        return "sent"

    return server


def _allowed(gate: str) -> int:
    path = Path(gate)
    return int(path.read_text() or "0") if gate and path.exists() else 10_000 * (not gate)


Handler = Callable[[Any, CallToolRequestParams], Awaitable[CallToolResult]]


def make_lowlevel() -> Server[Any]:
    """A low-level server that answers with what it is given."""

    async def list_tools(ctx: object, params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[Tool(name="say", input_schema={"type": "object"})])

    async def call_tool(ctx: object, params: CallToolRequestParams) -> CallToolResult:
        text = str((params.arguments or {})["text"])
        return CallToolResult(content=[TextContent(type="text", text=text)])

    return Server("lowlevel", on_list_tools=list_tools, on_call_tool=call_tool)
