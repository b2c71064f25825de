"""The demo's MCP server on HTTP: `python -m sessionkeeper.demo.clock_server`.

It has the tools of the time server that the demo calls. It listens on a free port of this machine
and prints the port as one line.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

import uvicorn
from mcp.server.mcpserver import MCPServer

__all__ = ["main"]

server = MCPServer("clock", version="1", log_level="ERROR")


@server.tool()
def get_current_time(timezone: str) -> str:
    """Return the time in a zone."""
    return datetime.now(ZoneInfo(timezone)).isoformat(timespec="seconds")


@server.tool()
def convert_time(source_timezone: str, time: str, target_timezone: str) -> str:
    """Return a time of today in another zone."""
    hour, minute = map(int, time.split(":"))
    here = datetime.now(ZoneInfo(source_timezone)).replace(hour=hour, minute=minute)
    return here.astimezone(ZoneInfo(target_timezone)).isoformat(timespec="minutes")


def main() -> None:
    """Serve until the process is ended."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        app = server.streamable_http_app()
        config = uvicorn.Config(app, log_level="error", timeout_keep_alive=86400)
        asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main()
