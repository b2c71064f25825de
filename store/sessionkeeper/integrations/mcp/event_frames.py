"""Server-sent events as frames: which stream one belongs to, and what its id says.

A frame from the server that names a stream is an event. The stream is the SDK's: the id of the
request that is answered, or `_GET_stream`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp.server.streamable_http import GET_STREAM_KEY
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCResponse

from sessionkeeper import Direction, Frame, MessageEnvelope, MessageKind
from sessionkeeper.values.bounds import MAX_STREAM_BYTES

__all__ = [
    "EventId",
    "ends_stream",
    "event_envelope",
    "is_event",
    "marker_envelope",
    "notes_of",
    "stream_name",
    "stream_of",
    "text_of",
]

_MARKER = "text/event-stream"
_ANSWER = "answer"
_STREAM = "stream"
_HASHED = "sha256="
_EVENT_ID = re.compile(r"([0-9a-f]{16})-([1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class EventId:
    """Names an event: its session, by the incarnation, and the number of its frame."""

    incarnation: str
    seq: int

    def __str__(self) -> str:
        return f"{self.incarnation}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> EventId | None:
        """Read an id that a client sent; None if no event ever has such an id."""
        found = _EVENT_ID.fullmatch(text)
        return None if found is None else cls(found[1], int(found[2]))


def event_envelope(
    session_id: str, stream_id: str, message: JSONRPCMessage, notes: Mapping[str, str]
) -> MessageEnvelope:
    """Make the frame of a message, with the bytes that the SDK sends."""
    text = message.model_dump_json(by_alias=True, exclude_unset=True)
    if isinstance(message, JSONRPCResponse | JSONRPCError) and stream_id != GET_STREAM_KEY:
        # Not read from the bytes: they may be odd, such as those of an answer that nests deeply.
        notes = {**notes, _ANSWER: "1"}
    return MessageEnvelope.of(session_id, text, **_context(stream_id, notes))


def marker_envelope(session_id: str, stream_id: str, notes: Mapping[str, str]) -> MessageEnvelope:
    """Make the frame of an event without content, which only has an id."""
    return MessageEnvelope.of_payload(
        session_id, b"", media_type=_MARKER, **_context(stream_id, notes)
    )


def stream_name(stream_id: str) -> str:
    """Return the name in the log of a stream of the SDK, whose id may be any text."""
    if 0 < len(stream_id.encode()) <= MAX_STREAM_BYTES and not stream_id.startswith(_HASHED):
        return stream_id
    return f"{_HASHED}{hashlib.sha256(stream_id.encode()).hexdigest()}"


def is_event(frame: Frame) -> bool:
    """Whether a frame is an event, with content or without."""
    context = frame.envelope.context
    return context.direction is Direction.SERVER_TO_CLIENT and context.stream is not None


def stream_of(frame: Frame) -> str:
    """Return the SDK's id of the stream of an event."""
    context = frame.envelope.context
    return str(context.metadata.get(_STREAM, context.stream))


def notes_of(frame: Frame) -> Mapping[str, str]:
    """Return what was noted with an event."""
    return {name: str(text) for name, text in frame.envelope.context.metadata.items()}


def text_of(frame: Frame) -> str | None:
    """Return the message of an event as it is sent; None without content, or none any more."""
    envelope = frame.envelope
    has_content = envelope.media_type != _MARKER and envelope.kind is not MessageKind.REMOVED
    return envelope.message.decode() if has_content else None


def ends_stream(frame: Frame) -> bool:
    """Whether no event comes after this one: an answer ends the stream of its request."""
    return _ANSWER in frame.envelope.context.metadata


def _context(stream_id: str, notes: Mapping[str, str]) -> dict[str, Any]:
    name = stream_name(stream_id)
    if name != stream_id:
        notes = {**notes, _STREAM: stream_id}
    return {"direction": Direction.SERVER_TO_CLIENT, "stream": name, "metadata": notes}
