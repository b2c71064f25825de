"""What callers are told when a server refuses: its reason in our words, never its own."""

from __future__ import annotations

from ...errors import SessionError, StoreUnavailable
from .call import Refused

__all__ = ["verdict"]

# A server's text may quote a command, and with it a message.
_REASONS = {
    "OOM": "is out of memory (maxmemory)",
    "MISCONF": "refuses writes because its last snapshot failed (MISCONF)",
    "NOPERM": "does not let this user run a command or touch a key that the store needs (NOPERM)",
    "NOAUTH": "wants a password (NOAUTH)",
    "WRONGTYPE": "holds something else under one of the store's keys (WRONGTYPE)",
    "NOREPLICAS": "has too few replicas to accept writes (NOREPLICAS)",
    "UNBLOCKED": "ended a blocking read",
}


def verdict(name: str, refused: Refused) -> SessionError:
    """Make the error for what a server refused; the command had no effect."""
    reason = _REASONS.get(refused.code, f"refused a command ({refused.code})")
    return StoreUnavailable(f"{name} {reason}")
