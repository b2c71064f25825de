"""Tracks which requests have no response yet, from the lines as they pass.

An id keeps its type: 1 is not "1" (JSON-RPC 2.0, section 4). A line that cannot be parsed matches
nothing, but may have been a response. If an id is in flight several times, which the specification
forbids, as many responses answer it, and nobody can tell which response belongs to which request.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ..values.states import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Head", "PendingRequests", "RequestId"]

RequestId: TypeAlias = str | int | float

# Limits far above normal use, so that no client can fill the memory.
_MAX_PENDING = 65_536


class Head(NamedTuple):
    """The fields of a JSON-RPC message that pairing needs."""

    id: RequestId | None = None
    has_method: bool = False
    initializes: bool = False
    cancels: RequestId | None = None


class PendingRequests:
    """The requests of both sides that have no response yet."""

    def __init__(self) -> None:
        self._sides = {side: _Side() for side in Direction}

    def note(self, direction: Direction, heads: Iterable[Head]) -> None:
        """Count the messages of one line that passed in this direction."""
        own = self._sides[direction]
        other = self._sides[direction.opposite]
        for head in heads:
            if head.cancels is not None:
                own.cancel(head.cancels)  # a cancelled request gets no response
            if head.id is None:
                continue
            if head.has_method:
                own.ask(head.id, initializes=head.initializes)
            else:
                other.answer(head.id)

    def count(self, direction: Direction) -> int:
        """Return how many requests in this direction have no response."""
        return self._sides[direction].pending.total()

    def is_ambiguous(self, direction: Direction) -> bool:
        """Return whether it is unknown which requests in this direction have no response."""
        return self._sides[direction].is_ambiguous

    def ambiguous(self) -> int:
        """Return how many requests of both sides used an id that was in flight."""
        return sum(side.ambiguous for side in self._sides.values())

    def late(self) -> int:
        """Return how many responses belonged to cancelled requests of either side."""
        return sum(side.late for side in self._sides.values())


class _Side:
    """The requests that one side sent."""

    def __init__(self) -> None:
        self.pending: Counter[RequestId] = Counter()
        self.ambiguous = self.late = 0
        self._several: set[RequestId] = (
            set()
        )  # ids of several requests in flight, of which some still are
        self._initializing: set[RequestId] = set()
        self._cancelled: Counter[RequestId] = Counter()

    @property
    def is_ambiguous(self) -> bool:
        return bool(self._several)

    def ask(self, request_id: RequestId, *, initializes: bool) -> None:
        pending = self.pending
        before = pending.get(request_id, 0)
        if not before and len(pending) >= _MAX_PENDING:
            return
        pending[request_id] = before + 1
        if initializes:
            self._initializing.add(request_id)
        if request_id in self._several:
            self.ambiguous += 1
        elif before or request_id in self._cancelled:
            # The first request is ambiguous too, unless it was cancelled.
            self.ambiguous += 2 if before else 1
            self._several.add(request_id)

    def answer(self, request_id: RequestId) -> None:
        if request_id in self.pending:
            self._take(request_id)
        elif request_id in self._cancelled:
            self.late += 1
            self._cancelled[request_id] -= 1
            if not self._cancelled[request_id]:
                del self._cancelled[request_id]

    def cancel(self, request_id: RequestId) -> None:
        # `initialize` must not be cancelled. Source: MCP 2025-11-25, "Cancellation".
        if self.pending.get(request_id, 0) <= (request_id in self._initializing):
            return
        self._take(request_id)
        if request_id in self._cancelled or len(self._cancelled) < _MAX_PENDING:
            self._cancelled[request_id] += 1

    def _take(self, request_id: RequestId) -> None:
        self.pending[request_id] -= 1
        if not self.pending[request_id]:
            del self.pending[request_id]
            self._several.discard(request_id)
            self._initializing.discard(request_id)
