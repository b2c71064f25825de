"""The context in which a message was delivered."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints

from .value import Value

__all__ = ["Delivery", "HttpDelivery", "SseDelivery", "StdioDelivery"]

Detail = Annotated[str, StringConstraints(strict=True, max_length=65_536)]
"""Text that can be encoded: the constraint refuses a lone surrogate."""


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
