"""The errors of stores and managers: a flat tree, one class for each reason.

Values are attributes; the text is made here and nowhere else. A session's id can be a bearer
secret, so a text shows only its beginning. It never shows the content of a message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .picklable import Picklable

if TYPE_CHECKING:
    from .states import SessionState

__all__ = [
    "BackendNotImplemented",
    "InvalidMessage",
    "InvalidSessionId",
    "InvalidTransition",
    "LimitExceeded",
    "LogReplaced",
    "OutcomeUnknown",
    "Overloaded",
    "RateLimited",
    "RevisionConflict",
    "SequenceConflict",
    "SessionClosed",
    "SessionError",
    "SessionExists",
    "SessionNotFound",
    "StoreClosed",
    "StoreUnavailable",
    "VersionConflict",
    "short_id",
]

_SHOWN = 8


def short_id(session_id: str) -> str:
    """Return the beginning of an id: it can be a bearer secret, so no text shows more."""
    return session_id if len(session_id) <= _SHOWN else f"{session_id[:_SHOWN]}…"


def _written(number: int) -> str:
    # Python does not print a number of more than 4,300 digits: it would raise another error.
    return str(number) if abs(number) < 2**64 else f"one of {number.bit_length()} bits"


class SessionError(Picklable, Exception):
    """Root of the errors of stores and managers; each can be pickled."""


class SessionNotFound(SessionError):
    """No session has this id, or it is not the caller's."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"no session {short_id(session_id)!r}")
        self.session_id = session_id


class SessionExists(SessionError):
    """A session with this id is already there."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"session {short_id(session_id)!r} exists already")
        self.session_id = session_id


class SessionClosed(SessionError):
    """The session has ended and accepts no more frames."""

    def __init__(self, session_id: str, state: SessionState) -> None:
        super().__init__(f"session {short_id(session_id)!r} has ended ({state})")
        self.session_id = session_id
        self.state = state


class RevisionConflict(SessionError):
    """The snapshot is stale: the session was changed after it was read."""

    def __init__(self, session_id: str, *, expected: int, current: int) -> None:
        super().__init__(
            f"session {short_id(session_id)!r} is at revision {current}, not {_written(expected)}"
        )
        self.session_id = session_id
        self.expected = expected
        self.current = current


class SequenceConflict(SessionError):
    """The log has moved on: its last number is not the expected one."""

    def __init__(self, session_id: str, *, expected: int, current: int) -> None:
        super().__init__(
            f"the log of session {short_id(session_id)!r} ends at {current},"
            f" not {_written(expected)}"
        )
        self.session_id = session_id
        self.expected = expected
        self.current = current


class LogReplaced(SessionError):
    """The log is not the one that was read: its server or file came back without its last frames.

    Other frames may have their numbers now. Read the log again, from its beginning or from a
    frame that is known to be right.
    """

    def __init__(self, session_id: str, *, after: int) -> None:
        super().__init__(
            f"the log of session {short_id(session_id)!r} was replaced: it is not"
            f" the one that was read up to {_written(after)}"
        )
        self.session_id = session_id
        self.after = after


class InvalidTransition(SessionError):
    """This state may not follow that one."""

    def __init__(self, session_id: str, from_state: SessionState, to_state: SessionState) -> None:
        super().__init__(
            f"session {short_id(session_id)!r} cannot go from {from_state} to {to_state}"
        )
        self.session_id = session_id
        self.from_state = from_state
        self.to_state = to_state


class VersionConflict(SessionError):
    """A protocol version that contradicts the one negotiated.

    Source: MCP specification 2025-11-25, lifecycle, "Version Negotiation".
    """

    def __init__(self, *, negotiated: str, offered: str) -> None:
        super().__init__("another protocol version was negotiated")
        self.negotiated = negotiated
        self.offered = offered


class InvalidMessage(SessionError):
    """A message is no JSON-RPC message or too large; `reason` never quotes it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"invalid message: {reason}")
        self.reason = reason


class InvalidSessionId(SessionError, ValueError):
    """The id is not 1–128 visible ASCII characters. The text does not show it."""

    def __init__(self) -> None:
        super().__init__("a session id is 1 to 128 visible ASCII characters (0x21-0x7E)")


class LimitExceeded(SessionError):
    """The change would exceed a limit of the store; `limit` names its field.

    In the view of a principal, `current` is None if it would reveal the sessions of others. `field`
    names the field of the session, if there is one; `metadata` includes client and server info.
    """

    def __init__(
        self, limit: str, *, current: int | None, maximum: int, field: str | None = None
    ) -> None:
        what = "" if field is None else f" by {field}"
        now = "" if current is None else f", current {current}"
        super().__init__(f"{limit} exceeded{what}: limit {maximum}{now}")
        self.limit = limit
        self.current = current
        self.maximum = maximum
        self.field = field


class RateLimited(LimitExceeded):
    """The session sends too many messages; one more is accepted after `retry_after` seconds."""

    def __init__(self, maximum: int, *, retry_after: float) -> None:
        super().__init__("rate_limit", current=maximum, maximum=maximum)
        self.args = (f"too many messages: one more in {retry_after:.3g} s",)
        self.retry_after = retry_after


class Overloaded(SessionError):
    """The mailbox is full and the caller chose not to wait; nothing was done."""

    def __init__(self) -> None:
        super().__init__("the store's mailbox is full")


class StoreClosed(SessionError):
    """The store is closed. If its owner crashed, that is the cause (`__cause__`)."""

    def __init__(self) -> None:
        super().__init__("the store is closed")


class StoreUnavailable(SessionError):
    """The storage behind the store cannot be reached, or refused; nothing was applied."""

    def __init__(self, reason: str, *, waited: float | None = None) -> None:
        super().__init__(reason if waited is None else f"{reason} (waited {waited:.1f} s)")
        self.reason = reason
        self.waited = waited
        """Seconds of waiting before this was raised."""


class OutcomeUnknown(SessionError):
    """The only error after which the operation may or may not have been applied.

    A store with `resolve` finds the outcome by `operation_id`. If that is empty, no store can find
    the outcome: read the current content.
    """

    def __init__(self, operation_id: str = "") -> None:
        super().__init__("the outcome of the operation is not known")
        self.operation_id = operation_id


class BackendNotImplemented(SessionError):
    """This installation cannot run the backend: a package is not installed."""

    def __init__(self, backend: str) -> None:
        super().__init__(
            f"the {backend} backend is not installed: pip install 'sessionkeeper[{backend}]'"
        )
        self.backend = backend
