"""LangGraph's checkpoints, on any store.

`SessionSaver` is a `BaseCheckpointSaver`. Rule: a write is one step of the store that never
conflicts, and no read depends on how long a thread is. Read `records`, `reading`, `walk`, `threads`
and `latest`, then `tuples`, `writing`, `upkeep`, `copying` and `saver`.
"""

from __future__ import annotations

try:
    from .saver import SessionSaver
except ImportError as missing:
    if (missing.name or "").partition(".")[0] not in ("langchain_core", "langgraph"):
        raise
    raise ImportError(
        "sessionkeeper.integrations.langgraph needs langgraph-checkpoint 4.3:"
        " pip install 'sessionkeeper[langgraph]'"
    ) from missing

__all__ = ["SessionSaver"]
