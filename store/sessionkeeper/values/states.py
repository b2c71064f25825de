"""The states of a session, and which state may follow which.

The status is derived from the state, so the two can never disagree.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "Direction",
    "SessionState",
    "SessionStatus",
    "TransportType",
]


class TransportType(StrEnum):
    """How the protocol messages of a session travel."""

    STDIO = "stdio"
    STREAMABLE_HTTP = "streamable-http"
    SSE = "sse"
    IN_MEMORY = "in-memory"
    IN_PROCESS = "in-process"
    """No transport at all: an agent or a graph calls the store in its own process."""


class Direction(StrEnum):
    """Which side sent a frame."""

    CLIENT_TO_SERVER = "client-to-server"
    SERVER_TO_CLIENT = "server-to-client"

    @property
    def opposite(self) -> Direction:
        """The direction of the response."""
        to_server = self is Direction.CLIENT_TO_SERVER
        return Direction.SERVER_TO_CLIENT if to_server else Direction.CLIENT_TO_SERVER


class SessionStatus(StrEnum):
    """The coarse outcome of a session: a function of its state."""

    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMEOUT = "timeout"


class SessionState(StrEnum):
    """The state of a session; the last three are terminal."""

    INITIALIZING = "initializing"
    ACTIVE = "active"
    SHUTTING_DOWN = "shutting-down"
    CLOSED = "closed"
    FAILED = "failed"
    TIMED_OUT = "timed-out"

    def may_become(self, state: SessionState) -> bool:
        """Whether a session in this state may stay in it, or change to that state."""
        return state is self or state in _FOLLOWING[self]

    def may_be_archived_as(self, state: SessionState) -> bool:
        """Whether `archive_session` may give a session in this state that state.

        A session that initializes may be an unfinished copy, so it may get any state.
        """
        return self is SessionState.INITIALIZING or self.may_become(state)

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can follow this state."""
        return not _FOLLOWING[self]

    @property
    def status(self) -> SessionStatus:
        """The coarse outcome this state stands for."""
        return _STATUS.get(self, SessionStatus.ACTIVE)


_ENDS = frozenset({SessionState.CLOSED, SessionState.FAILED, SessionState.TIMED_OUT})

_FOLLOWING: dict[SessionState, frozenset[SessionState]] = {
    SessionState.INITIALIZING: _ENDS | {SessionState.ACTIVE},
    SessionState.ACTIVE: _ENDS | {SessionState.SHUTTING_DOWN},
    SessionState.SHUTTING_DOWN: _ENDS,
    SessionState.CLOSED: frozenset(),
    SessionState.FAILED: frozenset(),
    SessionState.TIMED_OUT: frozenset(),
}

_STATUS = {
    SessionState.CLOSED: SessionStatus.COMPLETED,
    SessionState.FAILED: SessionStatus.FAILED,
    SessionState.TIMED_OUT: SessionStatus.TIMEOUT,
}
