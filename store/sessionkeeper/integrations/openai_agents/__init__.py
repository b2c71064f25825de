"""The conversations of OpenAI's Agents SDK, on any store.

`StoreSession` is a `Session` of that SDK. Rule: what it adds in one call is one step of the store,
and what it reads is one moment. Read `items`, `conversation`, `turn`, then `session`.
"""

from __future__ import annotations

try:
    from .items import ClosedSession
    from .session import StoreSession
    from .turn import Turn
except ImportError as missing:
    if (missing.name or "").partition(".")[0] not in ("agents", "openai"):
        raise
    raise ImportError(
        "sessionkeeper.integrations.openai_agents needs openai-agents 0.24:"
        " pip install 'sessionkeeper[openai-agents]'"
    ) from missing

__all__ = ["ClosedSession", "StoreSession", "Turn"]
