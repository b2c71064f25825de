"""Events of sessions, for listeners."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from .session import Session
from .states import SessionState

__all__ = ["Listener", "SessionEvent", "SessionEventKind"]


class SessionEventKind(StrEnum):
    """What happened."""

    CREATED = "created"
    STATE_CHANGED = "state-changed"
    DELETED = "deleted"
    """Somebody deleted it."""
    PURGED = "purged"
    """Its retention was over."""
    EVICTED = "evicted"
    """It made room for a new one."""


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """One thing that happened to one session."""

    kind: SessionEventKind
    session: Session
    """The session after the event; a removed session in its last state."""
    before: SessionState | None
    """The state before the event; None for a new session."""

    @property
    def ended(self) -> bool:
        """Whether the session reached a terminal state by this."""
        before = self.before
        return self.session.state.is_terminal and (before is None or not before.is_terminal)


Listener: TypeAlias = Callable[[SessionEvent, Context], None]
"""A function that is called with an event and the context of the caller that caused it."""
