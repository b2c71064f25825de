"""A query for sessions, a page of its results, and the frames that a search found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator, Field

from .message import Frame
from .session import Session, Tag, Text, not_one_string
from .states import SessionState, SessionStatus, TransportType
from .value import Value

__all__ = ["FrameSearch", "SessionOrder", "SessionPage", "SessionQuery", "WantedFrames"]


class SessionOrder(StrEnum):
    """The order of the sessions that `find_sessions` finds."""

    CREATED = "created"
    """In order of creation, the oldest first."""
    LAST_ACTIVITY = "last-activity"
    """By last activity, the newest first, live and ended alike."""


class SessionQuery(Value):
    """Which sessions to find; a field left out matches all, and all fields must match.

    `created` and `active` ranges include their first moment and exclude their last.
    """

    states: Annotated[frozenset[SessionState], BeforeValidator(not_one_string)] | None = None
    statuses: Annotated[frozenset[SessionStatus], BeforeValidator(not_one_string)] | None = None
    transport_types: Annotated[frozenset[TransportType], BeforeValidator(not_one_string)] | None = (
        None
    )
    tags_any: Annotated[frozenset[Tag], BeforeValidator(not_one_string)] | None = None
    """At least one of these."""
    tags_all: Annotated[frozenset[Tag], BeforeValidator(not_one_string)] | None = None
    """Every one of these."""
    principal: Text | None = Field(default=None, repr=False)
    created_from: AwareDatetime | None = None
    created_before: AwareDatetime | None = None
    active_from: AwareDatetime | None = None
    active_before: AwareDatetime | None = None

    @property
    def has_times(self) -> bool:
        """Whether times of a session decide, too."""
        return not (
            self.created_from
            is self.created_before
            is self.active_from
            is self.active_before
            is None
        )

    def matches(self, session: Session) -> bool:
        """Return whether a session matches at this moment."""
        return self.matches_fields(session) and self.matches_times(
            session.created_at, session.last_activity
        )

    def matches_fields(self, session: Session) -> bool:
        """Return whether the caller's fields of a session match."""
        return (
            (self.states is None or session.state in self.states)
            and (self.statuses is None or session.status in self.statuses)
            and (self.transport_types is None or session.transport_type in self.transport_types)
            and (self.tags_any is None or not self.tags_any.isdisjoint(session.tags))
            and (self.tags_all is None or self.tags_all <= session.tags)
            and (self.principal is None or self.principal == session.principal)
        )

    def matches_times(self, created_at: datetime, last_activity: datetime) -> bool:
        """Return whether these times of a session match."""
        return (
            (self.created_from is None or self.created_from <= created_at)
            and (self.created_before is None or created_at < self.created_before)
            and (self.active_from is None or self.active_from <= last_activity)
            and (self.active_before is None or last_activity < self.active_before)
        )


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Sessions in the order that was asked for, all of one moment."""

    sessions: tuple[Session, ...]
    cursor: str | None
    """The start of the next page; None if there is none. A page may be short, even empty, without
    being the last: a store examines a bounded number of sessions for each page."""


@dataclass(frozen=True, slots=True)
class WantedFrames:
    """Which frames a search finds."""

    containing: tuple[tuple[bytes, ...], ...]
    """At least one of these: byte strings that follow one another."""
    non_messages: bool
    """Also every frame that is no message."""

    def accepts(self, message: bytes, *, is_message: bool) -> bool:
        """Return whether a frame with these bytes is wanted."""
        if self.non_messages and not is_message:
            return True
        for parts in self.containing:
            if parts[0] in message and (len(parts) == 1 or _holds(message, parts)):
                return True
        return False


def _holds(message: bytes, parts: Sequence[bytes]) -> bool:
    end = 0
    for part in parts:
        start = message.find(part, end)
        if start < 0:
            return False
        end = start + len(part)
    return True


@dataclass(frozen=True, slots=True)
class FrameSearch:
    """The frames that a search of a log found, in order, all of one moment."""

    frames: tuple[Frame, ...]
    scanned_to: int
    """The number up to which the log was searched: `after` of the next call."""
    is_complete: bool
    """Whether the log ended there. If not, there may be no frames: a store searches a bounded part
    of the log at a time."""
