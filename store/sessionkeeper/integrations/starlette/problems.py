"""The errors of stores and managers as answers of HTTP: problem details (RFC 9457).

A problem has a type, a title and a status, and members of its own where they help a client. It has
no id of a session, no revision and no text of an error: those can be secrets.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sessionkeeper import (
    BackendNotImplemented,
    InvalidMessage,
    InvalidSessionId,
    InvalidTransition,
    LimitExceeded,
    LogReplaced,
    OutcomeUnknown,
    Overloaded,
    RateLimited,
    RevisionConflict,
    SequenceConflict,
    SessionClosed,
    SessionError,
    SessionExists,
    SessionNotFound,
    StoreClosed,
    StoreUnavailable,
    VersionConflict,
)

__all__ = ["InvalidEventId", "problem_handlers", "problem_of", "problem_response", "status_of"]

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:sessionkeeper:problem:"

Handler: TypeAlias = Callable[[Request, Any], Coroutine[Any, Any, Response]]

_LOG = logging.getLogger(__name__)


class InvalidEventId(SessionError):
    """The `Last-Event-ID` of a request is none that this library writes."""

    def __init__(self) -> None:
        super().__init__("the last event id is no id of an event")


_PROBLEMS: dict[type[SessionError], tuple[int, str]] = {
    InvalidMessage: (400, "The message is no JSON-RPC message"),
    InvalidSessionId: (400, "The session id is ill-formed"),
    InvalidEventId: (400, "The last event id is ill-formed"),
    SessionNotFound: (404, "There is no such session"),
    SessionExists: (409, "A session with this id exists already"),
    SessionClosed: (409, "The session has ended"),
    InvalidTransition: (409, "The state of the session does not allow this"),
    RevisionConflict: (409, "The session was changed meanwhile"),
    SequenceConflict: (409, "The log has moved on"),
    VersionConflict: (409, "Another protocol version was negotiated"),
    LogReplaced: (410, "The log is not the one that was read"),
    RateLimited: (429, "Too many messages"),
    LimitExceeded: (507, "A limit was reached"),
    OutcomeUnknown: (500, "The outcome is not known"),
    BackendNotImplemented: (500, "The storage is not installed"),
    Overloaded: (503, "Too many operations wait"),
    StoreClosed: (503, "The store is closed"),
    StoreUnavailable: (503, "The storage cannot be reached"),
    SessionError: (500, "The operation failed"),
}
_LIMITS = {
    **dict.fromkeys(
        (
            "max_frame_bytes",
            "max_frames_per_batch",
            "max_json_depth",
            "max_metadata_bytes",
            "max_tags",
        ),
        413,  # the request itself is too large
    ),
    **dict.fromkeys(("max_pending", "max_pending_per_session"), 429),  # fewer at once
}
"""The status of a limit; 507 if the limit is of what is stored already."""


def status_of(error: SessionError) -> int:
    """Return the status of HTTP for an error."""
    return _entry(error)[1]


def problem_of(error: SessionError) -> dict[str, object]:
    """Return an error as problem details: JSON that shows no secret."""
    kind, status, title = _entry(error)
    name = re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()
    return {"type": f"{TYPE}{name}", "title": title, "status": status, **_members(error)}


def problem_response(error: SessionError) -> Response:
    """Return the answer for an error; one that is the server's fault is logged by its type."""
    problem = problem_of(error)
    status = status_of(error)
    if status >= 500:
        _LOG.warning("%s was answered by %d", type(error).__name__, status)
    headers: dict[str, str] = {"cache-control": "no-store"}
    if isinstance(error, RateLimited):
        headers["retry-after"] = str(math.ceil(error.retry_after))
    return JSONResponse(problem, status, headers, MEDIA_TYPE)


def problem_handlers() -> dict[int | type[Exception], Handler]:
    """Return the `exception_handlers` of an application that answer each error as a problem."""
    return {SessionError: _answer}


async def _answer(_: Request, error: SessionError) -> Response:
    return problem_response(error)


def _entry(error: SessionError) -> tuple[type[SessionError], int, str]:
    kind = next(kind for kind in type(error).__mro__ if kind in _PROBLEMS)
    status, title = _PROBLEMS[kind]
    if kind is LimitExceeded and isinstance(error, LimitExceeded):
        status = _LIMITS.get(error.limit, status)
    return kind, status, title


def _members(error: SessionError) -> dict[str, object]:
    members: dict[str, object] = {}
    match error:
        case RateLimited():
            members["retry_after"] = error.retry_after
        case LimitExceeded():  # how much there is now may be the doing of others
            members |= {"limit": error.limit, "maximum": error.maximum}
        case SessionClosed():
            members["state"] = error.state.value
        case InvalidMessage():
            members["reason"] = error.reason
        case SequenceConflict():
            members["current"] = error.current
        case InvalidTransition():
            members |= {"from": error.from_state.value, "to": error.to_state.value}
        case _:
            pass
    return members
