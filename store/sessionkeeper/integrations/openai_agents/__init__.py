"""The conversations of OpenAI's Agents SDK, on any store.

`StoreSession` is a `Session` of that SDK. Rule: what it adds in one call is one step of the store,
and what it reads is one moment. Read `items`, `session`, `turn`, then `opened`.
"""

from __future__ import annotations

try:
    import agents.memory  # noqa: F401
except ImportError as missing:
    raise ImportError(
        "sessionkeeper.integrations.openai_agents needs openai-agents 0.24:"
        " pip install 'sessionkeeper[openai-agents]'"
    ) from missing

from .items import ClosedSession
from .session import StoreSession
from .turn import Turn

__all__ = ["ClosedSession", "StoreSession", "Turn"]
