"""Makes the envelopes of captured messages."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..values.delivery import StdioDelivery
from ..values.frozen import FrozenDict
from ..values.gap import Gap
from ..values.message import MessageEnvelope
from ..values.message_context import make_context
from ..values.oddities import BYTES
from .protocol import Captured

__all__ = ["Ready", "make_ready"]

_ENDED = FrozenDict()
_NOT_ENDED = FrozenDict({"line_end": "none"})


class Ready(NamedTuple):
    """A message as it is to be stored, and its envelope."""

    captured: Captured
    envelope: MessageEnvelope


def make_ready(
    session_id: str, captured: Captured, delivery: StdioDelivery | None, places: int = 0
) -> Ready:
    """Make the envelope of a message, with the number of places that were redacted.

    `delivery` is that of a message whose origin has none. Raises `ValueError` for a bad context.
    """
    direction, message, timestamp, origin = captured
    context: dict[str, Any] = {
        "direction": direction,
        "timestamp": timestamp,
        "delivery": origin.delivery or delivery,
        "stream": origin.stream,
    }
    if isinstance(message, Gap):
        return Ready(captured, MessageEnvelope.of_gap(session_id, message, **context))
    metadata = _ENDED if origin.ended else _NOT_ENDED
    context["metadata"] = FrozenDict({**metadata, "redacted": str(places)}) if places else metadata
    if origin.oddity is not None:
        del context["direction"]
        envelope = MessageEnvelope(
            message=message,
            context=make_context(session_id, direction, context),
            media_type=origin.media_type or BYTES,
            oddity=origin.oddity,
        )
    elif origin.media_type is not None:
        media_type = origin.media_type
        envelope = MessageEnvelope.of_payload(session_id, message, media_type=media_type, **context)
    else:
        envelope = MessageEnvelope.of(session_id, message, **context)
    return Ready(captured, envelope)
