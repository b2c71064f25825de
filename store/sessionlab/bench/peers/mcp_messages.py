"""JSON-RPC messages as the MCP SDK's event stores take them."""

from __future__ import annotations

from typing import Any

from .optional_import import import_peer_module

__all__ = ["notification"]


def notification(payload: bytes) -> Any:
    """Make a notification of so many bytes; what is not text in them is replaced."""
    return import_peer_module("mcp.types", "mcp").JSONRPCNotification(
        jsonrpc="2.0",
        method="notifications/message",
        params={"data": payload.decode("utf-8", "replace")},
    )
