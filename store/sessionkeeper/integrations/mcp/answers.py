"""Answers that the SDK's transport does not give: a JSON-RPC error without a request id."""

from __future__ import annotations

from mcp_types import ErrorData, JSONRPCError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .refusals import Refusal

__all__ = ["send_refusal"]


async def send_refusal(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request with an error, as the SDK's session manager does."""
    status, code, text, headers = refusal
    error = JSONRPCError(jsonrpc="2.0", id=None, error=ErrorData(code=code, message=text))
    body = error.model_dump_json(by_alias=True, exclude_unset=True)
    response = Response(body, status, headers, media_type="application/json")
    await response(scope, receive, send)
