"""The stdio proxy between an MCP client and a server. It forwards and records every message.

Rule: the server lives as long as without the proxy.
Read `proxy`, `pumps` with `pump`, then `server` and `report`.
"""

from __future__ import annotations

from .proxy import MAX_LINE, MAX_PENDING, StdioProxy
from .report import StdioReport, Traffic, exit_status
from .server import CommandNotStarted
from .signals import forwarding_signals

__all__ = [
    "MAX_LINE",
    "MAX_PENDING",
    "CommandNotStarted",
    "StdioProxy",
    "StdioReport",
    "Traffic",
    "exit_status",
    "forwarding_signals",
]
