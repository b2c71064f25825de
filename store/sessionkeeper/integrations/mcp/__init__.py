"""Resumable sessions of MCP's streamable HTTP transport, on any store.

`StoredSessionManager` is the SDK's session manager, `SessionEventStore` its `EventStore` for one
session. Rule: what a client is sent is read from the log of its session, so nothing can be lost
between what is replayed and what comes next. Read `event_frames`, `event_store`, `stored_session`,
`workers`, `transport`, then `session_manager`.
"""

from __future__ import annotations

try:
    from .event_store import SessionEventStore
    from .session_manager import StoredSessionManager
except ImportError as missing:
    raise ImportError(
        "sessionkeeper.integrations.mcp needs mcp 2.3: pip install 'sessionkeeper[mcp]'"
    ) from missing

__all__ = ["SessionEventStore", "StoredSessionManager"]
