"""What to look at next, for the errors that the protocols define.

Source: JSON-RPC 2.0, section 5.1; MCP 2025-11-25, "Lifecycle", "Resources"; RFC 9110, section 15.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...values.delivery import HttpDelivery, SseDelivery, StdioDelivery
from ...values.states import Direction

if TYPE_CHECKING:
    from ...values.message_context import MessageContext

__all__ = ["GAP_HINT", "GONE_HINT", "ID_HINT", "NOTHING_HINT", "NO_ANSWER_HINT", "REPEAT_HINT"]
__all__ += ["TOOL_HINT", "error_hint", "odd_hint"]

_CODES = {
    -32700: "the server could not parse the request: look at its bytes with --raw",
    -32600: "the server takes the message for no valid request: look at its members",
    -32601: "the server has no such method: compare with the capabilities that it announced",
    -32602: "the parameters do not fit: compare them with the last list, and its inputSchema",
    -32603: "the server failed inside: its stderr may say why; record it with --stderr",
    -32002: "there is no such resource: compare the URI with the last resources/list",
    -32001: "the client gave up waiting, or the server did: compare the time with its limit",
    -32000: "the connection was closed, or the server refused: look at what came before",
    -32042: "the server wants the user to open a URL first",
    400: "the server refused the request: look at the session id, the version and the body",
    401: "the request was not authorized",
    403: "the request was forbidden: some servers refuse a foreign Origin or Host",
    404: "the session is unknown to the server, or the path is wrong: it may have been restarted",
    405: "the server does not offer this method of HTTP; for a GET this is allowed",
    406: "the Accept header must name application/json and text/event-stream",
    429: "too many requests",
}
TOOL_HINT = "the tool itself failed: its result says why, and the model was told the same"
REPEAT_HINT = "the model may not understand the result, or the client may retry too eagerly"
NOTHING_HINT = "the answer came twice, or its id is of another type than that of the request"
ID_HINT = "nobody can tell which of the requests an answer belongs to"
GONE_HINT = "sessionkeeper end --gone ends such sessions"
GAP_HINT = "the recorder could not keep up, or a line was larger than --max-message"
NO_ANSWER_HINT = "the server may hang, or it may have ended before it answered"


def error_hint(code: int | None) -> str | None:
    """Return what to look at after an error with this code or HTTP status."""
    if code is None:
        return None
    if code in _CODES:
        return _CODES[code]
    return "the server failed: look at its log" if 500 <= code <= 599 else None


def odd_hint(context: MessageContext) -> str:
    """Return what to look at after bytes that are no message."""
    if context.metadata.get("line_end") == "none":
        return "it was cut, or has no end: see which side left, and what came before"
    return _delivery_hint(context)


def _delivery_hint(context: MessageContext) -> str:
    sent_by_server = context.direction is Direction.SERVER_TO_CLIENT
    match context.delivery:
        case HttpDelivery() if sent_by_server:
            return "an error often has a page or a text as its body: look at status and path"
        case HttpDelivery():
            return "the body of a POST must be one message, or a batch where the version allows it"
        case SseDelivery():
            return (
                "the data of an event must be one message, or a batch where the version allows it"
            )
        case StdioDelivery() if sent_by_server:
            return "a server must write nothing but messages to stdout: it may log to stderr"
        case StdioDelivery():
            return "a client must write nothing but messages to the server's stdin"
        case _:
            return "look at its bytes with --raw"
