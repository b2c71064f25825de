"""A protocol message as it crossed the wire, and what is known of its crossing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from .base import Value
from .errors import InvalidMessage
from .frozen import FrozenDict, StringMap
from .ids import SessionId
from .jsonrpc import MessageKind, RequestId, encode_message, read_head, validate_message
from .states import Direction
from .version import ProtocolVersion

__all__ = [
    "Delivery",
    "Frame",
    "HttpDelivery",
    "MessageContext",
    "MessageEnvelope",
    "SseDelivery",
    "StdioDelivery",
]


Detail = Annotated[str, StringConstraints(strict=True, max_length=65_536)]
"""One that can be written down: a lone surrogate could not, and the constraint finds it."""


class StdioDelivery(Value):
    """Crossed the pipes of a server process."""

    via: Literal["stdio"] = "stdio"
    command: tuple[Detail, ...] | None = Field(default=None, repr=False)  # may hold a token
    pid: int | None = Field(default=None, ge=-(2**63), lt=2**64)


class HttpDelivery(Value):
    """Was the body of an HTTP request or response."""

    via: Literal["http"] = "http"
    method: Detail | None = None
    path: Detail | None = Field(default=None, repr=False)  # may hold a token
    status: int | None = Field(default=None, ge=100, le=599)


class SseDelivery(Value):
    """Was a server-sent event. Source: WHATWG HTML, "Server-sent events"."""

    via: Literal["sse"] = "sse"
    event_id: Detail | None = None
    event_type: Detail | None = None
    retry: int | None = Field(default=None, ge=0, lt=2**64)
    """Milliseconds to wait before reconnecting."""


Delivery: TypeAlias = Annotated[
    StdioDelivery | HttpDelivery | SseDelivery, Field(discriminator="via")
]


def _in_utc(moment: datetime) -> datetime:
    if type(moment) is datetime and moment.tzinfo is UTC:
        return moment
    # Combined anew: a subclass may carry what can be changed.
    try:
        there = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC it is not of the years 1 to 9999") from None
    return datetime.combine(there.date(), there.time(), UTC)


class MessageContext(Value):
    """Whose message it is, which way it went, when and how. The timestamp is aware UTC."""

    session_id: SessionId = Field(repr=False)
    direction: Direction
    timestamp: Annotated[AwareDatetime, AfterValidator(_in_utc)] = Field(
        default_factory=lambda: datetime.now(UTC)
    )
    delivery: Delivery | None = None
    protocol_version: ProtocolVersion | None = None
    metadata: StringMap = Field(default_factory=FrozenDict, repr=False)


def _valid_message(message: bytes) -> bytes:
    if type(message) is not bytes:
        # A subclass may bring its own `__len__`, and a store counts bytes.
        message = memoryview(message).tobytes()
    validate_message(message)
    return message


class MessageEnvelope(Value):
    """One JSON-RPC message, byte for byte, with its context.

    Raises `InvalidMessage` when the bytes are not one JSON-RPC object, nest too deep or are too
    large; `ValueError` for a bad context.
    """

    message: Annotated[bytes, Field(strict=True, repr=False), AfterValidator(_valid_message)]
    context: MessageContext

    @classmethod
    def of(
        cls,
        session_id: str,
        message: bytes | str | Mapping[str, object],
        *,
        direction: Direction | str,
        **context: object,
    ) -> Self:
        """Make one from bytes, a str or a dict; `context` takes the fields of `MessageContext`.

        Bytes and a str are kept as they are, a dict is written as compact JSON. Raises
        `InvalidMessage` for the message, `TypeError` when it is none of the three, `ValueError`
        for the rest.
        """
        if isinstance(message, str):
            message = _utf8(message)
        elif isinstance(message, Mapping):
            message = encode_message(dict(message))
        elif not isinstance(message, bytes):
            raise TypeError(f"a message is bytes, str or a dict, not {type(message).__name__}")
        fields = {"session_id": session_id, "direction": direction} | context
        return cls(message=message, context=MessageContext.model_validate(fields))

    @property
    def kind(self) -> MessageKind:
        """Request, notification, result or error; read from the bytes, O(bytes)."""
        return read_head(self.message).kind

    @property
    def method(self) -> str | None:
        """The method of a request or notification; read from the bytes, O(bytes)."""
        method = read_head(self.message).method
        return method if isinstance(method, str) else None

    @property
    def request_id(self) -> RequestId | None:
        """The id with its type kept (`1` is not `"1"`); read from the bytes, O(bytes)."""
        return read_head(self.message).request_id


class Frame(Value):
    """A message with the number its store gave it: from 1, without a gap, never used twice."""

    seq: int
    envelope: MessageEnvelope


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidMessage("not UTF-8") from None
