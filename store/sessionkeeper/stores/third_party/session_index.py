"""The owner's record of a session in a third party's store: a few numbers, no payload."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from math import inf

from ...values.session import Session
from ...values.states import SessionState

__all__ = ["SessionEntry", "SessionIndex"]


class SessionEntry:
    """One session as it was last seen, and since when by the steady clock."""

    __slots__ = (
        "frame_count",
        "incarnation",
        "last_activity",
        "last_seq",
        "number",
        "place",
        "principal",
        "revision",
        "state",
        "steady_active_at",
        "steady_created_at",
        "steady_ended_at",
    )

    def __init__(self, session: Session, number: int) -> None:
        self.number = number
        """A number from its first sight: another session of the same id has another one."""
        self.place = 0
        """Its place in the order of creation, from the first listing with it; 0 before that."""
        self.incarnation = session.incarnation
        self.principal = session.principal
        self.state: SessionState = session.state
        self.revision = session.revision
        self.frame_count = session.frame_count
        self.last_seq = session.last_seq
        self.last_activity: datetime | None = None
        """The time that the inner store last returned."""
        self.steady_active_at = -inf
        """When it was last used, by the steady clock."""
        self.steady_created_at = -inf
        self.steady_ended_at: float | None = None
        """When it ended; None while it lives."""

    def begin(self, session: Session, now: float, /) -> None:
        """Note that it was created through the owner at this moment."""
        self.steady_active_at = self.steady_created_at = now
        self.last_activity = session.last_activity
        self.steady_ended_at = now if session.state.is_terminal else None

    def date(self, session: Session, now: float, wall: float, /) -> None:
        """Date changes made elsewhere, which only the wall clock can do.

        Times noted here are never made older, so a clock that jumps ends nothing early that was
        used through the owner.
        """
        if self.steady_created_at == -inf:
            self.steady_created_at = _ago(session.created_at, now, wall)
        if session.last_activity != self.last_activity:
            # If nothing else is new, the change was made, and dated, here.
            news = (session.revision, session.last_seq) != (self.revision, self.last_seq)
            if news or self.last_activity is None:
                self.steady_active_at = max(
                    self.steady_active_at, _ago(session.last_activity, now, wall)
                )
            self.last_activity = session.last_activity
        if session.state.is_terminal and self.steady_ended_at is None:
            self.steady_ended_at = _ago(session.ended_at or session.last_activity, now, wall)

    def shows(self, session: Session, /) -> bool:
        """Whether everything that is noted is unchanged since the session was last seen."""
        return (
            self.revision == session.revision
            and self.last_seq == session.last_seq
            and self.frame_count == session.frame_count
            and self.last_activity == session.last_activity
        )

    def follow(self, session: Session, /) -> None:
        """Note the session as it is now."""
        self.principal, self.state = session.principal, session.state
        self.revision = session.revision
        self.frame_count, self.last_seq = session.frame_count, session.last_seq


class SessionIndex:
    """The sessions that the owner knows, by id: those of the last listing, and new ones."""

    __slots__ = ("_known", "_last_number", "_last_place")

    def __init__(self) -> None:
        self._known: dict[str, SessionEntry] = {}
        self._last_number = self._last_place = 0

    def __len__(self) -> int:
        return len(self._known)

    def find(self, session_id: str) -> SessionEntry | None:
        """Look one up."""
        return self._known.get(session_id)

    def __getitem__(self, session_id: str) -> SessionEntry:
        return self._known[session_id]

    def add(self, session: Session) -> SessionEntry:
        """Add a session that was not known."""
        self._last_number += 1
        known = self._known[session.id] = SessionEntry(session, self._last_number)
        return known

    def remove(self, session_id: str) -> SessionEntry:
        """Remove a session and return its entry."""
        return self._known.pop(session_id)

    def assign_order(self, sessions: Iterable[Session]) -> None:
        """Give sessions without a place the next ones, in the order of a listing.

        Only a listing shows the order of creation; no place is used twice.
        """
        for session in sessions:
            known = self._known[session.id]
            if not known.place:
                self._last_place += 1
                known.place = self._last_place

    def ids_missing_from(self, present: Collection[str]) -> list[str]:
        """Return the ids that are in the index and not among the present."""
        return [session_id for session_id in self._known if session_id not in present]


def _ago(moment: datetime, now: float, wall: float) -> float:
    # Not later than now, should the clocks of two machines differ.
    return now - max(0.0, wall - moment.timestamp())
