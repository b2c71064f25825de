"""The bookkeeping of an owner around a third party's store: sessions, events, counters.

Everything here is synchronous and cannot fail: it runs in the owner's step, right after the
operation of the inner store, whether the caller still waits or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import Context

from ...interface.listeners import Listeners
from ...interface.wakeups import StoreWakeups
from ...operations.counters import StoreCounters
from ...operations.frame_record import count_odd, pack
from ...values.clock import Clock
from ...values.events import SessionEvent, SessionEventKind
from ...values.message import MessageEnvelope
from ...values.session import Session
from ...values.states import SessionState
from .session_index import SessionEntry, SessionIndex

__all__ = ["Bookkeeping"]


class Bookkeeping:
    """Kept by one owner; only its operations write here.

    Changes made directly in the inner store are noted when a session or a listing is next seen:
    they are counted and wake watchers, but listeners are not called.
    """

    __slots__ = ("clock", "counters", "index", "listeners", "telling", "wakeups")

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.index = SessionIndex()
        self.counters = StoreCounters()
        self.wakeups = StoreWakeups()
        self.listeners = Listeners()
        self.telling = False
        """Whether a listener is running now; one must not ask the owner."""

    def record_created(self, session: Session, context: Context) -> None:
        """Note a session that was created through the owner."""
        if self.index.find(session.id) is not None:
            self._lose(session.id)
        self._enter(session).begin(session, self.clock.steady())
        self._tell(SessionEventKind.CREATED, session, None, context)

    def record_changed(self, session: Session, context: Context) -> None:
        """Note a session that was updated through the owner, and seen before that."""
        known, now = self.index[session.id], self.clock.steady()
        before = known.state
        known.steady_active_at = now
        if session.state.is_terminal and known.steady_ended_at is None:
            known.steady_ended_at = now
        self._follow(known, session)
        if before is not session.state:
            self._tell(SessionEventKind.STATE_CHANGED, session, before, context)

    def record_removed(self, session: Session, kind: SessionEventKind, context: Context) -> None:
        """Note that a session was deleted through the owner; it is as it was last seen."""
        self._lose(session.id, kind)
        self._tell(kind, session, session.state, context)

    def record_appended(self, envelope: MessageEnvelope, seq: int) -> None:
        """Note that a frame was appended through the owner and got this number."""
        session_id = envelope.context.session_id
        known = self.index.find(session_id)
        self.counters.frames_added(0, 0, *count_odd((pack(envelope),)))
        if known is not None:
            self._add(known, seq - known.last_seq)
            known.steady_active_at = self.clock.steady()
        self.wakeups.notify(session_id)

    def record_cleared(self, session_id: str) -> None:
        """Note that all frames were deleted through the owner."""
        known = self.index.find(session_id)
        if known is not None:
            self.counters.frames_removed(known.frame_count, 0)
            known.frame_count = 0
            known.steady_active_at = self.clock.steady()

    def record_seen(self, session: Session) -> None:
        """Note the current session."""
        known = self.index.find(session.id)
        if known is not None and known.incarnation != session.incarnation:
            self._lose(session.id)
            known = None
        if known is None:
            known = self._enter(session)
            known.date(session, self.clock.steady(), self.clock.wall())
        elif not known.shows(session):
            self._follow(known, session)

    def record_listed(self, sessions: Sequence[Session]) -> None:
        """Note the listed sessions, in order of creation; others do not exist."""
        for session_id in self.index.ids_missing_from({session.id for session in sessions}):
            self._lose(session_id)
        for session in sessions:
            self.record_seen(session)
        self.index.assign_order(sessions)

    def _enter(self, session: Session) -> SessionEntry:
        self.counters.session_added(session)
        self.counters.frames_added(session.frame_count, 0, 0, 0)
        return self.index.add(session)

    def _follow(self, known: SessionEntry, session: Session) -> None:
        known.date(session, self.clock.steady(), self.clock.wall())
        news = session.last_seq > known.last_seq
        news = news or (session.state.is_terminal and not known.state.is_terminal)
        self.counters.session_changed(known, session)
        came = session.last_seq - known.last_seq
        self._add(known, max(came, session.frame_count - known.frame_count))
        self.counters.frames_removed(known.frame_count - session.frame_count, 0)
        known.follow(session)
        if news:
            self.wakeups.notify(session.id)

    def _add(self, known: SessionEntry, count: int) -> None:
        if count > 0:
            self.counters.frames_added(count, 0, 0, 0)
            known.frame_count += count
            known.last_seq += count

    def _lose(self, session_id: str, kind: SessionEventKind = SessionEventKind.DELETED) -> None:
        known = self.index.remove(session_id)
        self.counters.session_removed(known, kind, known.frame_count, 0)
        self.wakeups.notify(session_id)

    def _tell(
        self,
        kind: SessionEventKind,
        session: Session,
        before: SessionState | None,
        context: Context,
    ) -> None:
        if not self.listeners:
            return
        self.telling = True
        try:
            # In no context of the owner's: a task that a listener starts may ask the owner later.
            Context().run(self.listeners.tell, SessionEvent(kind, session, before), context)
        finally:
            self.telling = False
