"""Sessions in a Starlette or FastAPI application: opening, principals, errors, and a live stream.

Rule: nothing that a client may read shows more than its own request and its own sessions. Read
`problems`, `event_stream`, then `sessions`.
"""

from __future__ import annotations

try:
    from .problems import problem_handlers, problem_response, status_of
    from .sessions import RequestSessions, SessionsState
except ImportError as missing:
    if (missing.name or "").partition(".")[0] != "starlette":
        raise
    raise ImportError(
        "sessionkeeper.integrations.starlette needs starlette 1:"
        " pip install 'sessionkeeper[starlette]'"
    ) from missing

__all__ = [
    "RequestSessions",
    "SessionsState",
    "problem_handlers",
    "problem_response",
    "status_of",
]
