"""Server-sent events as frames: which stream one belongs to, and what its id says.

A frame from the server that names a stream is an event. The stream is the SDK's: the id of the
request that is answered, or `_GET_stream`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mcp.server.streamable_http import GET_STREAM_KEY
from mcp_types import JSONRPCMessage

from sessionkeeper import Direction, Frame, MessageContext, MessageEnvelope, MessageKind

__all__ = [
    "EventId",
    "ends_stream",
    "event_envelope",
    "is_event",
    "marker_envelope",
    "notes_of",
    "stream_of",
    "text_of",
]

_MARKER = "application/vnd.sessionkeeper.sse-marker"
_STREAM = "stream"
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
    return MessageEnvelope.of(
        session_id,
        text,
        direction=Direction.SERVER_TO_CLIENT,
        metadata={**notes, _STREAM: stream_id},
    )


def marker_envelope(session_id: str, stream_id: str, notes: Mapping[str, str]) -> MessageEnvelope:
    """Make the frame of an event without content, which only has an id."""
    return MessageEnvelope(
        message=b"",
        context=MessageContext.model_validate(
            {
                "session_id": session_id,
                "direction": Direction.SERVER_TO_CLIENT,
                "metadata": {**notes, _STREAM: stream_id},
            }
        ),
        media_type=_MARKER,
        oddity="an event without content",
    )


def is_event(frame: Frame) -> bool:
    """Whether a frame is an event, with content or without."""
    context = frame.envelope.context
    return context.direction is Direction.SERVER_TO_CLIENT and _STREAM in context.metadata


def stream_of(frame: Frame) -> str:
    """Return the SDK's id of the stream of an event."""
    return str(frame.envelope.context.metadata[_STREAM])


def notes_of(frame: Frame) -> Mapping[str, str]:
    """Return what was noted with an event."""
    return {name: str(text) for name, text in frame.envelope.context.metadata.items()}


def text_of(frame: Frame) -> str | None:
    """Return the message of an event as it is sent; None without content, or none any more."""
    envelope = frame.envelope
    return None if envelope.oddity is not None else envelope.message.decode()


def ends_stream(frame: Frame) -> bool:
    """Whether no event comes after this one: an answer ends the stream of its request."""
    is_answer = frame.envelope.kind in (MessageKind.RESULT, MessageKind.ERROR)
    return is_answer and stream_of(frame) != GET_STREAM_KEY
