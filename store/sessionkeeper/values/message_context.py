"""Where and when a protocol message crossed the wire."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from .bounds import checked_stream_name
from .delivery import Delivery, HttpDelivery, SseDelivery, StdioDelivery
from .frozen import FrozenDict, StringMap
from .ids import SessionId, is_session_id
from .states import Direction
from .value import Value
from .version import ProtocolVersion

__all__ = ["NO_METADATA", "MessageContext", "make_context"]

NO_METADATA = FrozenDict()
"""One for all contexts without metadata, which are recognized by it at once."""


def _in_utc(moment: datetime) -> datetime:
    if type(moment) is datetime and moment.tzinfo is UTC:
        return moment
    # Rebuilt: a subclass may have mutable attributes.
    try:
        there = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC it is not of the years 1 to 9999") from None
    return datetime.combine(there.date(), there.time(), UTC)


StreamName = Annotated[str, StringConstraints(strict=True), AfterValidator(checked_stream_name)]


class MessageContext(Value):
    """The session, direction, time and delivery of a message. The timestamp is aware UTC."""

    session_id: SessionId = Field(repr=False)
    direction: Direction
    timestamp: Annotated[AwareDatetime, AfterValidator(_in_utc)] = Field(
        default_factory=lambda: datetime.now(UTC)
    )
    delivery: Delivery | None = None
    protocol_version: ProtocolVersion | None = None
    metadata: StringMap = Field(default_factory=lambda: NO_METADATA, repr=False)
    stream: StreamName | None = Field(default=None, repr=False)
    """The stream of the session's log that the message belongs to: 1 to 255 bytes of UTF-8."""


_make = MessageContext.maker()
_DIRECTIONS: dict[str, Direction] = {each.value: each for each in Direction}
_DELIVERIES = (StdioDelivery, HttpDelivery, SseDelivery)


def make_context(
    session_id: str, direction: Direction | str, more: Mapping[str, object]
) -> MessageContext:
    """Make a context; `more` are its other fields. Raises `ValueError`."""
    known = _DIRECTIONS.get(direction) if type(direction) is str else direction
    # Parts that need no conversion: a fifth of the time that pydantic takes.
    if type(known) is Direction and type(session_id) is str and is_session_id(session_id):
        fields = {
            "session_id": session_id,
            "direction": known,
            "timestamp": None if "timestamp" in more else datetime.now(UTC),
            "delivery": None,
            "protocol_version": None,
            "metadata": NO_METADATA,
            "stream": None,
        }
        if not more:
            return _make(fields)
        if all(map(_is_plain, more, more.values())):
            return _make(fields | {**more})
    return MessageContext.model_validate(
        {"session_id": session_id, "direction": direction} | {**more}
    )


def _is_plain(name: str, value: object) -> bool:
    """Tell whether this is a field besides the first two, with a value that needs no conversion."""
    match name:
        case "timestamp":
            return type(value) is datetime and value.tzinfo is UTC
        case "delivery":
            return value is None or type(value) in _DELIVERIES
        case "metadata":
            return type(value) is FrozenDict and all(type(each) is str for each in value.values())
        case "stream":
            return value is None or (
                type(value) is str and value.isascii() and 0 < len(value) < 256
            )
        case "protocol_version":
            return value is None
        case _:
            return False
