"""The effect of a message on the pending requests: it is one, answers one, or cancels one.

The effect counts only once the message is in its log. Until then the message holds its place, and
gives it back if it is refused.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextvars import Context, copy_context
from enum import Enum
from typing import Protocol

import msgspec

from ..values.errors import LimitExceeded
from ..values.jsonrpc import RequestId, RpcHead
from ..values.message_context import MessageContext
from .pending import PendingRequest, TrackedRequest
from .requests import RequestKey, RequestTracker

__all__ = ["Exchange", "RecordOutcome", "begin_all", "is_part", "is_request", "request_answered"]

_CANCELLED = "notifications/cancelled"


class RecordOutcome(Enum):
    """The outcome of a message that was sent to the store."""

    RECORDED = "recorded"
    REFUSED = "refused"
    """Certainly no effect."""
    UNKNOWN = "unknown"
    """The caller was cancelled, or the store cannot tell."""


class Exchange(Protocol):
    """One message, or several in one frame, being recorded; settled once."""

    def settle(self, outcome: RecordOutcome) -> None:
        """Report its outcome."""
        ...


class _OfOne(ABC):
    __slots__ = ("_requests", "_waiting")

    def __init__(self, requests: RequestTracker, waiting: TrackedRequest | None) -> None:
        self._requests = requests
        self._waiting = waiting
        requests.exchange_begun()

    def settle(self, outcome: RecordOutcome) -> None:
        self._settle(outcome)
        self._requests.exchange_over()

    @abstractmethod
    def _settle(self, outcome: RecordOutcome) -> None: ...


class _Asking(_OfOne):
    __slots__ = ()

    def _settle(self, outcome: RecordOutcome) -> None:
        if self._waiting is None:
            return
        if outcome is RecordOutcome.REFUSED:
            self._requests.withdraw(self._waiting)
        else:  # it may be in the log: then a response may come; otherwise it times out
            self._requests.recorded(self._waiting)


class _Answering(_OfOne):
    __slots__ = ("_of",)

    def __init__(
        self, requests: RequestTracker, waiting: TrackedRequest | None, of: RequestKey | None
    ) -> None:
        super().__init__(requests, waiting)
        self._of = of

    def _settle(self, outcome: RecordOutcome) -> None:
        if outcome is RecordOutcome.RECORDED:
            self._requests.answer(self._waiting, self._of)
        elif self._waiting is not None:
            self._requests.release(self._waiting)


class _Cancelling(_OfOne):
    __slots__ = ()

    def _settle(self, outcome: RecordOutcome) -> None:
        if self._waiting is None:
            return
        if outcome is RecordOutcome.RECORDED:
            self._requests.cancel(self._waiting)
        else:
            self._requests.release(self._waiting)


class _Batch:
    """The exchanges of the messages of one batch, which is recorded or not as a whole."""

    __slots__ = ("_exchanges",)

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self._exchanges = exchanges

    def settle(self, outcome: RecordOutcome) -> None:
        for exchange in self._exchanges:
            exchange.settle(outcome)


class _Cancelled(msgspec.Struct, frozen=True, rename={"request_id": "requestId"}):
    request_id: int | str


def is_request(head: RpcHead) -> bool:
    """Whether a message asks for a response."""
    return head.method is not msgspec.UNSET and head.id is not msgspec.UNSET


def is_part(head: RpcHead) -> bool:
    """Whether a message is a request, a response or a cancellation."""
    return head.method is msgspec.UNSET or head.id is not msgspec.UNSET or head.method == _CANCELLED


def request_answered(
    requests: RequestTracker, context: MessageContext, head: RpcHead
) -> PendingRequest | None:
    """Return the pending request that a message is the response to."""
    if head.method is not msgspec.UNSET or head.request_id is None:
        return None
    return requests.find(context.session_id, context.direction.opposite, head.request_id)


def begin_all(
    requests: RequestTracker, context: MessageContext, heads: Sequence[RpcHead], *, keep: bool
) -> Exchange | None:
    """Begin the exchanges of the messages of a frame; None if it has none.

    `keep` the caller's context for the hook that learns of a time-out. Raises `LimitExceeded`
    for one request too many; then no exchange begins.
    """
    begun: list[Exchange] = []
    try:
        for head in heads:
            exchange = _begin(requests, context, head, keep=keep)
            if exchange is not None:
                begun.append(exchange)
    except LimitExceeded:
        _Batch(begun).settle(RecordOutcome.REFUSED)
        raise
    if len(begun) <= 1:
        return begun[0] if begun else None
    return _Batch(begun)


def _begin(
    requests: RequestTracker, context: MessageContext, head: RpcHead, *, keep: bool
) -> Exchange | None:
    session_id, direction, request_id = context.session_id, context.direction, head.request_id
    if head.method is msgspec.UNSET:
        if request_id is None:  # an error about a request that could not be read
            return _Answering(requests, None, None)
        of = (session_id, direction.opposite, request_id)
        return _Answering(requests, requests.claim(*of), of)
    method = str(head.method)
    if request_id is not None:
        caller: Context | None = copy_context() if keep else None
        waiting = requests.start(session_id, direction, request_id, method, caller)
        return _Asking(requests, waiting)
    if method == _CANCELLED:
        # Only the requester may cancel, never `initialize`. MCP 2025-11-25, "Cancellation".
        cancelled = _cancelled_id(head)
        if cancelled is not None:
            claimed = requests.claim(session_id, direction, cancelled, but="initialize")
            return None if claimed is None else _Cancelling(requests, claimed)
    return None


def _cancelled_id(head: RpcHead) -> RequestId | None:
    if not isinstance(head.params, msgspec.Raw):
        return None
    try:
        return msgspec.json.decode(head.params, type=_Cancelled).request_id
    except msgspec.MsgspecError:
        return None
