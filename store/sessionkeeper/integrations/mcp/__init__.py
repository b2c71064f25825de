"""Resumable sessions of MCP's streamable HTTP transport, on any store.

`SessionEventStore` is the SDK's `EventStore` for one session. Rule: what a client is sent is read
from the log of its session, so nothing can be lost between what is replayed and what comes next.
Read `event_frames`, then `event_store`.
"""

from __future__ import annotations

try:
    import mcp_types  # noqa: F401  # only mcp 2 has it
except ImportError as missing:
    raise ImportError(
        "sessionkeeper.integrations.mcp needs mcp 2.3: pip install 'sessionkeeper[mcp]'"
    ) from missing

from .event_store import SessionEventStore

__all__ = ["SessionEventStore"]
