"""LangGraph's checkpoints, on any store.

`SessionSaver` is a `BaseCheckpointSaver`. Rule: a write is one step of the store that never
conflicts, and no read depends on how long a thread is. Read `records`, `reading`,
`walk`, `threads` and `latest`, then `tuples`, `upkeep`, `copying` and `saver`.
"""

from __future__ import annotations

try:
    import langgraph.checkpoint.base  # noqa: F401
except ImportError as missing:
    raise ImportError(
        "sessionkeeper.integrations.langgraph needs langgraph-checkpoint 4.3:"
        " pip install 'sessionkeeper[langgraph]'"
    ) from missing

from .saver import SessionSaver

__all__ = ["SessionSaver"]
