"""One frame with its context and its bytes, as the page shows a message."""

from __future__ import annotations

from base64 import b64encode

from ..values.message import Frame
from ..values.oddities import as_text
from ..values.states import Direction
from .session_row import millis

__all__ = ["SHOWN_BYTES", "frame_fields"]

SHOWN_BYTES = 65_536
"""The bytes of a message that are sent first; the rest is sent when somebody asks for it."""


def frame_fields(frame: Frame, *, whole: bool) -> dict[str, object]:
    """Return one frame. What is no UTF-8 is in Base64; the command line is left out."""
    envelope, context = frame.envelope, frame.envelope.context
    message = envelope.message
    shown = message if whole else _beginning(message)
    text, delivery = as_text(shown), context.delivery
    return {
        "seq": frame.seq,
        "kind": envelope.kind.value,
        "direction": 0 if context.direction is Direction.CLIENT_TO_SERVER else 1,
        "time": millis(context.timestamp),
        "size": len(message),
        "cut": len(shown) < len(message),
        "stream": context.stream,
        "media_type": envelope.media_type,
        "oddity": envelope.oddity,
        "metadata": dict(context.metadata),
        "delivery": None
        if delivery is None
        else delivery.model_dump(mode="json", exclude={"command"}, exclude_none=True),
        "text": text,
        "base64": b64encode(shown).decode() if text is None else None,
    }


def _beginning(message: bytes) -> bytes:
    """Cut a message, but not within a character of UTF-8."""
    if len(message) <= SHOWN_BYTES:
        return message
    end = SHOWN_BYTES
    while end > SHOWN_BYTES - 4 and message[end] & 0xC0 == 0x80:
        end -= 1
    return message[:end]
