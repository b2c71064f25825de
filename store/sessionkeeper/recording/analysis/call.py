"""A call: one request, and what became of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

import msgspec

from ...values.states import Direction

__all__ = ["MAX_TEXT", "Call", "CallFilter", "CallId", "CallOutcome"]

CallId: TypeAlias = "int | float | str"
"""The id of a request as it was sent; a fraction is no valid id, but some peers send one."""

MAX_TEXT = 1024
"""Characters of a method and of a name that are kept."""

_ZERO = timedelta()


class CallOutcome(StrEnum):
    """What became of a call."""

    RESULT = "result"
    TOOL_ERROR = "tool-error"
    """A result with `isError`."""
    ERROR = "error"
    """A JSON-RPC error, or an HTTP status from 400 on."""
    CANCELLED = "cancelled"
    """Its caller cancelled it, whether it was answered after that or not."""
    UNANSWERED = "unanswered"
    """The session has ended, and no answer was sent."""
    UNKNOWN = "unknown"
    """No answer is in the log, but it may have passed in a frame that could not be read."""
    OPEN = "open"
    """The session has not ended, so it may still be answered."""


class Call(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request and what became of it. A client calls its server, and a server its client."""

    session_id: str
    direction: Direction
    """That of the request."""
    request_id: CallId
    method: str
    name: str | None
    """The name of a tool or prompt, or the URI of a resource; of a completion, what it is for."""
    request_seq: int
    response_seq: int | None
    started: datetime
    ended: datetime | None
    """When it was answered or cancelled."""
    request_bytes: int
    response_bytes: int | None
    outcome: CallOutcome
    error_code: int | None
    """That of a JSON-RPC error, or the HTTP status if there was no JSON-RPC answer."""
    error_text: str | None
    """The message of the error, or the first text of a result with `isError`; shortened."""
    progress: int
    """Number of progress notifications."""
    stream: str | None
    """The stream of the request."""

    @property
    def latency(self) -> timedelta | None:
        """The time until it was answered or cancelled.

        It is zero if the clock was set back meanwhile.
        """
        return None if self.ended is None else max(_ZERO, self.ended - self.started)

    @property
    def is_error(self) -> bool:
        """Whether it was answered with an error, or a result with `isError`."""
        return self.outcome in _ERRORS

    @property
    def lacks_answer(self) -> bool:
        """Whether it was neither answered nor cancelled, as far as the log shows."""
        return self.outcome in _WITHOUT_ANSWER


_ERRORS = frozenset({CallOutcome.ERROR, CallOutcome.TOOL_ERROR})
_WITHOUT_ANSWER = frozenset({CallOutcome.UNANSWERED, CallOutcome.UNKNOWN, CallOutcome.OPEN})


class CallFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls are wanted: those for which all that is given holds."""

    errors: bool = False
    unanswered: bool = False
    """Those that lack an answer. With `errors`, calls of either kind are wanted."""
    slower_than: timedelta | None = None
    """Only calls with a latency above this."""
    method: str | None = None
    name: str | None = None
    direction: Direction | None = None
    since: datetime | None = None
    """Only calls that began at this moment or later; with a time zone."""

    def accepts(self, call: Call, /) -> bool:
        """Whether a call is wanted."""
        failed = self.errors and call.is_error
        if (self.errors or self.unanswered) and not (
            failed or (self.unanswered and call.lacks_answer)
        ):
            return False
        if self.slower_than is not None:
            latency = call.latency
            if latency is None or latency <= self.slower_than:
                return False
        return (
            (self.method is None or call.method == self.method[:MAX_TEXT])
            and (self.name is None or call.name == self.name[:MAX_TEXT])
            and (self.direction is None or call.direction is self.direction)
            and (self.since is None or call.started >= self.since)
        )
