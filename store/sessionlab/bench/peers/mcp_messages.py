"""JSON-RPC messages as the MCP SDK's event stores take them."""

from __future__ import annotations

from typing import Any

from .optional_import import module_of

__all__ = ["notification"]


def notification(payload: bytes) -> Any:
    """Make a notification of so many bytes; what is not text in them is replaced."""
    return module_of("mcp.types", "mcp").JSONRPCNotification(
        jsonrpc="2.0",
        method="notifications/message",
        params={"data": payload.decode("utf-8", "replace")},
    )
