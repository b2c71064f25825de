"""A request that waits for its response."""

from __future__ import annotations

from contextvars import Context
from dataclasses import dataclass, field

from ..jsonrpc import RequestId
from ..states import Direction

__all__ = ["PendingRequest", "Waiting"]


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """What is known of a request without its response."""

    session_id: str = field(repr=False)
    direction: Direction
    """Which way the request went; its response goes the other way."""
    request_id: RequestId = field(repr=False)
    """With its type: `1` is not `"1"`."""
    method: str = field(repr=False)
    """Its first 128 characters."""
    started_at: float
    """Seconds of the manager's steady clock when it was recorded."""


class Waiting:
    """The tracker's own record of a request. Equal to itself only."""

    __slots__ = ("arrived", "context", "key", "older", "orphaned", "request", "settled")

    def __init__(
        self,
        request: PendingRequest,
        key: tuple[Direction, type, RequestId],
        context: Context | None,
        older: Waiting | None,
    ) -> None:
        self.request = request
        self.key = key
        self.context = context
        """Of whoever recorded it, for the hook that learns of its time-out."""
        self.older = older
        """The one with the same id that this one replaces once it is recorded."""
        self.arrived: float | None = None
        """When the response came that is being recorded now."""
        self.orphaned = False
        """Whether its session ended while that was being recorded."""
        self.settled = False
        """Whether it waits no more: then it is counted, once."""
