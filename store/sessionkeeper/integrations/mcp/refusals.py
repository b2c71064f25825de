"""How a refusal of the store is answered on HTTP: a status, a JSON-RPC code and a fixed text."""

from __future__ import annotations

import math
from http import HTTPStatus

from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    ErrorData,
    JSONRPCError,
)
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sessionkeeper import (
    InvalidMessage,
    InvalidSessionId,
    InvalidTransition,
    LimitExceeded,
    RateLimited,
    SessionClosed,
    SessionNotFound,
)

__all__ = ["Refusal", "refusal_of", "send_refusal"]

Refusal = tuple[HTTPStatus, int, str, dict[str, str]]
"""Status, JSON-RPC code, text and headers."""

_NOT_FOUND = (SessionNotFound, SessionClosed, InvalidTransition, InvalidSessionId)
_TOO_LARGE = frozenset({"max_frame_bytes", "max_json_depth", "max_metadata_bytes"})


def refusal_of(error: Exception) -> Refusal:
    """Return the answer for an error of the store. It shows no id, payload or address."""
    if isinstance(error, _NOT_FOUND):
        # What the SDK says: whether there is a session of another principal is not told.
        return HTTPStatus.NOT_FOUND, INVALID_REQUEST, "Session not found", {}
    if isinstance(error, RateLimited):
        wait = {"Retry-After": str(math.ceil(error.retry_after))}
        return HTTPStatus.TOO_MANY_REQUESTS, INTERNAL_ERROR, "Too many messages", wait
    if isinstance(error, LimitExceeded):
        text = f"The session store has a limit: {error.limit}"
        large = error.limit in _TOO_LARGE
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if large else HTTPStatus.SERVICE_UNAVAILABLE
        return status, INTERNAL_ERROR, text, {}
    if isinstance(error, InvalidMessage | ValueError):
        return HTTPStatus.BAD_REQUEST, INVALID_PARAMS, "The session store refuses the message", {}
    text = "The session store is not available"
    return HTTPStatus.SERVICE_UNAVAILABLE, INTERNAL_ERROR, text, {}


async def send_refusal(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request with an error, as the SDK's session manager does."""
    status, code, text, headers = refusal
    error = JSONRPCError(jsonrpc="2.0", id=None, error=ErrorData(code=code, message=text))
    body = error.model_dump_json(by_alias=True, exclude_unset=True)
    response = Response(body, status, headers, media_type="application/json")
    await response(scope, receive, send)
