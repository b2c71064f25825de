"""Bytes that are no JSON-RPC message get a media type and a reason, which is a fixed sentence."""

from __future__ import annotations

from .errors import InvalidMessage
from .jsonrpc import MAX_MESSAGE_BYTES, NOT_JSON, judge_message
from .plain_message import is_plain_message

__all__ = ["BYTES", "GAP", "JSON", "OWN_MEDIA_TYPES", "REMOVED", "as_text", "classify"]

JSON = "application/json"
"""That of JSON-RPC messages."""
OWN_MEDIA_TYPES = "application/vnd.sessionkeeper."
"""What the media types of this library begin with; no payload of a caller has one."""
GAP = f"{OWN_MEDIA_TYPES}gap+json"
"""JSON about lines that a recorder did not keep; see `Gap`."""
REMOVED = "application/vnd.sessionkeeper.removed"
"""What is left of a frame whose content was removed: no bytes."""
_TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"
"""That of bytes that are no text."""


def classify(message: bytes) -> tuple[str, str | None]:
    """Return the media type of bytes, and why they are no message; None if they are one.

    Raises `InvalidMessage` for bytes larger than the maximum of a frame.
    """
    if len(message) > MAX_MESSAGE_BYTES:
        raise InvalidMessage(f"larger than {MAX_MESSAGE_BYTES} bytes")
    if is_plain_message(message):
        return JSON, None
    try:
        judge_message(message)
    except InvalidMessage as invalid:
        if as_text(message) is None:
            return BYTES, invalid.reason
        return (_TEXT if invalid.reason == NOT_JSON else JSON), invalid.reason
    return JSON, None


def as_text(message: bytes) -> str | None:
    """Return the text of bytes that are UTF-8, else None."""
    try:
        return message.decode()
    except UnicodeDecodeError:
        return None
