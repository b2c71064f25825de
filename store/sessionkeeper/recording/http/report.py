"""What an HTTP proxy says at its end."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HttpReport"]


@dataclass(frozen=True, slots=True)
class HttpReport:
    """What was forwarded, and what became of it in the record."""

    sessions: int
    exchanges: int
    """Requests on the MCP endpoint."""
    sent_bytes: int
    """Bytes of bodies that went to the server, as they were encoded."""
    received_bytes: int
    """Bytes of bodies that came from the server, as they were encoded."""
    recorded: int
    """Messages that have a frame."""
    odd: int
    """Those among them that are no JSON-RPC message."""
    gaps: int
    dropped: int
    """Messages that were not recorded because recording was too slow, or had no store."""
    failed: int
