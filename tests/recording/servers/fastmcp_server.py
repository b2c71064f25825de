"""A FastMCP server with elicitation, progress, and large results: `… stdio` or `… PORT`."""

# FastMCP is in an environment of its own.
# mypy: ignore-errors

from __future__ import annotations

import asyncio
import sys

from fastmcp import Context, FastMCP

server: FastMCP = FastMCP("fast")


@server.tool
async def elicit(ctx: Context) -> str:
    """Ask the client's user."""
    return str((await ctx.elicit("shall it be so?", response_type=bool)).action)


@server.tool
async def slow(steps: int, pause: float, ctx: Context) -> str:
    """Report progress, step by step."""
    for step in range(steps):
        await ctx.report_progress(step + 1, steps)
        await asyncio.sleep(pause)
    return "done"


@server.tool
def large(size: int) -> str:
    """Return so many characters."""
    return "ä" + "x" * (size - 1)


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run(transport="stdio", show_banner=False)
    else:
        server.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
