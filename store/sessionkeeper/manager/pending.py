"""A request that waits for its response."""

from __future__ import annotations

from contextvars import Context
from dataclasses import dataclass, field
from typing import TypeAlias

from ..values.jsonrpc import RequestId
from ..values.states import Direction

__all__ = ["PendingRequest", "TypedId", "TrackedRequest"]

TypedId: TypeAlias = "tuple[Direction, type, RequestId]"
"""The key of a request in its session: `1` is not `"1"`, and each side has its own ids."""


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A request whose response has not come yet."""

    session_id: str = field(repr=False)
    direction: Direction
    """The direction of the request; its response has the other one."""
    request_id: RequestId = field(repr=False)
    """With its type: `1` is not `"1"`."""
    method: str = field(repr=False)
    """Its first 128 characters."""
    started_at: float
    """Seconds of the manager's steady clock when it was recorded."""
    ambiguous: bool = False
    """Whether another request with its id was in flight: a response may belong to either."""


class TrackedRequest:
    """The tracker's own record of a request. Equal to itself only."""

    __slots__ = (
        "ambiguous",
        "arrived",
        "context",
        "key",
        "method",
        "orphaned",
        "overdue",
        "recorded",
        "session_id",
        "settled",
        "started_at",
    )

    def __init__(
        self,
        session_id: str,
        key: TypedId,
        method: str,
        started_at: float,
        *,
        context: Context | None,
    ) -> None:
        self.session_id = session_id
        self.key = key
        self.method = method
        self.started_at = started_at
        self.context = context
        """The context of its caller, for the hook that learns of its time-out."""
        self.recorded = False
        """Whether it is in its log, as far as is known."""
        self.ambiguous = False
        """Whether a response with its id may be another request's."""
        self.arrived: float | None = None
        """The arrival time of the response that is being recorded."""
        self.orphaned = False
        """Whether its session ended, or the manager closed, while that was being recorded."""
        self.overdue = False
        """Whether it timed out while the response was being recorded."""
        self.settled = False
        """Whether it is settled: then it is counted, once."""

    @property
    def request(self) -> PendingRequest:
        """The public view of the request, made on demand: most requests never need it."""
        direction, _, request_id = self.key
        return PendingRequest(
            self.session_id, direction, request_id, self.method, self.started_at, self.ambiguous
        )
