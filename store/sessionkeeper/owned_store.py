"""An owner for any third-party store: its operations run one at a time, by awaiting it.

What the ten methods of `SessionStore` cannot do whole, this store refuses: it never weakens a
promise in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Self, TypeVar, cast

from soleowner import Actor, Command

from .actor_store import session_error
from .arguments import (
    checked_count,
    checked_envelopes,
    checked_ids,
    checked_session,
    checked_sessions,
    plain_envelope,
)
from .atomic import AtomicSessionStore, Change
from .awaiting import Await, AwaitingRunner, Operation
from .errors import (
    OutcomeUnknown,
    RevisionConflict,
    SequenceConflict,
    SessionClosed,
    SessionNotFound,
)
from .guarantees import Atomicity, Durability, Guarantees, Scope
from .ids import checked_id, new_session_id
from .interface import SessionStore
from .message import Frame, MessageEnvelope
from .session import Session
from .states import SessionState
from .statistics import StoreStatistics

__all__ = ["OwnedSessionStore"]

R = TypeVar("R")

_TRIES = 16


class OwnedSessionStore(AtomicSessionStore):
    """Makes every operation through it atomic within this process.

    Another process that uses the same inner store is not held back. Refused with
    `NotImplementedError`: `touch_session`, `add_frames` of more than one frame, and what ten
    methods cannot do without a scan: trimming, finding, expiring, purging, watching.
    """

    guarantees: ClassVar[Guarantees] = Guarantees(
        operation=Atomicity.LINEARIZABLE,
        batch=Atomicity.NONE,
        listing=Atomicity.LINEARIZABLE,
        durability=Durability.INNER,
        scope=Scope.PROCESS,
    )

    def __init__(self, inner: SessionStore, *, capacity: int = 1024) -> None:
        if not isinstance(inner, SessionStore):
            raise TypeError(f"a SessionStore is expected, not {type(inner).__name__}")
        self._runner = AwaitingRunner(inner)
        self._actor = Actor(
            self._runner,
            name="sessionkeeper owner",
            capacity=capacity,
            translate=session_error,
        )

    def __repr__(self) -> str:
        now = self._actor.statistics()
        return f"<OwnedSessionStore {now.state} mailbox={now.depth}/{now.capacity}>"

    @property
    def is_open(self) -> bool:
        """Whether it takes operations now."""
        return self._actor.statistics().state == "open"

    async def open(self) -> Self:
        """Start the owner; the inner store is its maker's to open and close."""
        await self._actor.open()
        return self

    async def aclose(self, *, timeout: float | None = None) -> None:
        """Finish queued operations and stop; the inner store stays open.

        After `timeout` seconds, what is queued is answered with `StoreClosed`, and the operation
        the inner store is busy with is cancelled and answered with `OutcomeUnknown`.
        """
        await self._actor.aclose(timeout=timeout)

    async def _do(self, operation: Operation[R]) -> R:
        command: Command[SessionStore, R] = cast("Command[SessionStore, R]", Await(operation))
        return await self._actor.ask(command)

    async def create_session(self, session: Session, /) -> Session:
        session = checked_session(session)
        return await self._do(lambda inner: inner.create_session(session))

    async def get_session(self, session_id: str, /) -> Session:
        session_id = checked_id(session_id)
        return await self._do(lambda inner: inner.get_session(session_id))

    async def update_session(self, session: Session, /) -> Session:
        session = checked_session(session)
        return await self._do(lambda inner: inner.update_session(session))

    async def delete_session(self, session_id: str, /) -> None:
        session_id = checked_id(session_id)
        await self._do(lambda inner: inner.delete_session(session_id))

    async def list_sessions(self) -> list[Session]:
        return await self._do(lambda inner: inner.list_sessions())

    async def count_sessions(self) -> int:
        return await self._do(lambda inner: inner.count_sessions())

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        envelope = plain_envelope(envelope)
        return await self._do(lambda inner: inner.add_frame(envelope))

    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        session_id = checked_id(session_id)
        return await self._do(lambda inner: inner.get_frames(session_id))

    async def delete_frames(self, session_id: str, /) -> int:
        session_id = checked_id(session_id)
        return await self._do(lambda inner: inner.delete_frames(session_id))

    async def count_frames(self, session_id: str, /) -> int:
        session_id = checked_id(session_id)
        return await self._do(lambda inner: inner.count_frames(session_id))

    async def get_sessions_batch(self, session_ids: Sequence[str], /) -> list[Session]:
        """Return sessions in the order asked, all of one moment. Raises `SessionNotFound`."""
        ids = [checked_id(session_id) for session_id in checked_ids(session_ids)]
        return await self._do(lambda inner: inner.get_sessions_batch(ids))

    async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
        """Update in order with nobody in between; as atomic on errors as the inner store is."""
        checked = checked_sessions(sessions)
        return await self._do(lambda inner: inner.update_sessions_batch(checked))

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        session_id = checked_id(session_id)
        apply = self._runner.applier(change)
        return await self._do(lambda inner: _modify(inner, session_id, apply))

    async def get_or_create_session(self, session: Session, /) -> tuple[Session, bool]:
        session = checked_session(session)

        async def operation(inner: SessionStore) -> tuple[Session, bool]:
            try:
                return await inner.get_session(session.id), False
            except SessionNotFound:
                return await inner.create_session(session), True

        return await self._do(operation)

    async def touch_session(self, session_id: str, /) -> None:
        """Refused: none of the ten methods sets the time of activity alone."""
        raise NotImplementedError("the inner store cannot touch a session")

    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        expected_last_seq: int | None = None,
        change: Change | None = None,
    ) -> range:
        """Append at most one message, with its change of the session. Raises as the interface
        says, `NotImplementedError` for more, and `OutcomeUnknown` when the frame was appended and
        the change could not be stored.
        """
        session_id = checked_id(session_id)
        if expected_last_seq is not None:
            checked_count("expected_last_seq", expected_last_seq, least=0)
        checked = checked_envelopes(session_id, envelopes)
        if len(checked) > 1:
            raise NotImplementedError("the inner store cannot append several frames as one")
        apply = None if change is None else self._runner.applier(change)

        async def operation(inner: SessionStore) -> range:
            session = await inner.get_session(session_id)
            if session.state.is_terminal:
                raise SessionClosed(session_id, session.state)
            last = session.last_seq
            if expected_last_seq is not None and expected_last_seq != last:
                raise SequenceConflict(session_id, expected=expected_last_seq, current=last)
            changed = session if apply is None else _changed(session, apply)
            if not checked:
                if changed is not session:
                    await inner.update_session(changed)
                return range(last + 1, last + 1)
            seq = await inner.add_frame(checked[0])
            if changed is not session:
                try:
                    await inner.update_session(changed)
                except Exception as error:
                    raise OutcomeUnknown(new_session_id()) from error
            return range(seq, seq + 1)

        return await self._do(operation)

    async def read_frames(
        self, session_id: str, /, *, after: int = 0, limit: int = 1000, newest: bool = False
    ) -> list[Frame]:
        """Return frames as the interface says, but at the cost of reading the whole log."""
        session_id = checked_id(session_id)
        checked_count("after", after, least=0)
        checked_count("limit", limit, least=1)

        async def operation(inner: SessionStore) -> list[Frame]:
            envelopes = await inner.get_frames(session_id)
            first = (await inner.get_session(session_id)).last_seq - len(envelopes) + 1
            frames = [Frame(seq=seq, envelope=each) for seq, each in enumerate(envelopes, first)]
            later = [frame for frame in frames if frame.seq > after]
            return later[-limit:] if newest else later[:limit]

        return await self._do(operation)

    async def statistics(self) -> StoreStatistics:
        """Count by listing all sessions: O(sessions)."""
        sessions = await self.list_sessions()
        states = Counter(session.state for session in sessions)
        return StoreStatistics(
            sessions={state: states[state] for state in SessionState},
            frames=sum(session.frame_count for session in sessions),
            bytes=None,
            counters=None,
            mailbox=self._actor.statistics(),
            refusals=dict(self._runner.refusals),
        )


async def _modify(inner: SessionStore, session_id: str, apply: Change) -> Session:
    tries = 0
    while True:
        session = await inner.get_session(session_id)
        changed = _changed(session, apply)
        if changed is session:
            return session
        try:
            return await inner.update_session(changed)
        except RevisionConflict:  # another process was in between
            tries += 1
            if tries == _TRIES:
                raise


def _changed(session: Session, apply: Change) -> Session:
    changed = apply(session)
    if type(changed) is not Session:
        raise TypeError(f"change returns a Session, not {type(changed).__name__}")
    if changed.id != session.id:
        raise ValueError("change returned another session")
    changed.check_follows(session)
    return changed
