"""The facade of an awaited store: one short method per operation.

The whole store and the view of one principal differ only in the store that they call.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from ...interface.arguments import (
    checked_activity,
    checked_count,
    checked_cursor,
    checked_envelopes,
    checked_ids,
    checked_incarnation,
    checked_new,
    checked_order,
    checked_session,
    checked_sessions,
    checked_stream,
    plain_envelope,
)
from ...interface.atomic_store import AtomicSessionStore, Change
from ...interface.frame_watcher import FrameWatcher, LogPage, Proof
from ...interface.session_store import SessionStore
from ...interface.wakeups import StoreWakeups
from ...values.ids import checked_id
from ...values.message import Frame, MessageEnvelope
from ...values.query import SessionOrder, SessionPage, SessionQuery
from ...values.session import Session
from ..facade import MOST_A_PAGE, WATCHED_AT_ONCE
from . import one_session as operations
from . import sweeps
from .runner import Operation
from .session_index import SessionEntry

__all__ = ["AwaitedStore"]

R = TypeVar("R")


class AwaitedStore(AtomicSessionStore):
    """Turns methods into operations on a store of ten methods, which its owner runs."""

    _applier: Callable[[Change], Change]
    """Wraps a caller's function for the owner."""
    _known: Callable[[str], SessionEntry]
    """What the owner knows of a session it has just seen."""
    _wakeups: StoreWakeups

    @abstractmethod
    async def _do(self, operation: Operation[R], /) -> R:
        """Have the owner await an operation with nobody in between."""

    async def create_session(self, session: Session, /) -> Session:
        session = checked_new(session)
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

    async def count_frames(self, session_id: str, /, *, stream: str | None = None) -> int:
        """Return a number as the interface says; a stream at the cost of reading the whole log."""
        session_id, stream = checked_id(session_id), checked_stream(stream)
        if stream is None:
            return await self._do(lambda inner: inner.count_frames(session_id))
        return await self._do(lambda inner: operations.count_stream(inner, session_id, stream))

    async def get_sessions_batch(self, session_ids: Sequence[str], /) -> list[Session]:
        """Return sessions in the requested order, all of one moment. Raises `SessionNotFound`."""
        ids = checked_ids(session_ids)
        return await self._do(lambda inner: inner.get_sessions_batch(ids))

    async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
        """Update in order with nobody in between; as atomic on errors as the inner store is."""
        checked = checked_sessions(sessions)
        return await self._do(lambda inner: inner.update_sessions_batch(checked))

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        session_id = checked_id(session_id)
        apply = self._applier(change)
        return await self._do(lambda inner: operations.modify(inner, session_id, apply))

    async def get_or_create_session(self, session: Session, /) -> tuple[Session, bool]:
        session = checked_new(session)
        return await self._do(lambda inner: operations.get_or_create(inner, session))

    async def put_session(self, session: Session, /) -> Session:
        """Put a session as the interface says, with nobody in between.

        One that has ended is deleted first: if the inner store then cannot create the new one,
        that is `OutcomeUnknown`, and the id is free.
        """
        session = checked_new(session)
        return await self._do(lambda inner: operations.put(inner, session))

    async def touch_session(self, session_id: str, /) -> None:
        """Refused: none of the ten methods sets the time of activity alone."""
        raise NotImplementedError("the inner store cannot touch a session")

    async def archive_session(self, session: Session, /, *, expected_last_seq: int) -> Session:
        """Refused: none of the ten methods sets a session's times."""
        raise NotImplementedError("the inner store cannot set the times of a session")

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
            checked_count("expected_last_seq", expected_last_seq, minimum=0)
        checked = checked_envelopes(session_id, envelopes)
        if len(checked) > 1:
            raise NotImplementedError("the inner store cannot append several frames as one")
        envelope = checked[0] if checked else None
        apply = None if change is None else self._applier(change)

        def operation(inner: SessionStore) -> Awaitable[range]:
            return operations.add_one(inner, session_id, envelope, expected_last_seq, apply)

        return await self._do(operation)

    async def read_frames(
        self,
        session_id: str,
        /,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 1000,
        newest: bool = False,
        reverse: bool = False,
        stream: str | None = None,
        incarnation: str | None = None,
    ) -> list[Frame]:
        """Return frames as the interface says, but at the cost of reading the whole log."""
        session_id = checked_id(session_id)
        checked_count("after", after, minimum=0)
        if before is not None:
            checked_count("before", before, minimum=1)
        checked_count("limit", limit, minimum=1)
        stream, incarnation = checked_stream(stream), checked_incarnation(incarnation)
        last = newest or reverse
        frames = await self._do(
            lambda inner: operations.read(
                inner,
                session_id,
                after,
                limit,
                before,
                newest=last,
                stream=stream,
                incarnation=incarnation,
            )
        )
        return frames[::-1] if reverse else frames

    async def remove_frames(
        self, session_id: str, seqs: Iterable[int], /, *, incarnation: str | None = None
    ) -> int:
        """Refused: none of the ten methods changes a frame."""
        raise NotImplementedError("the inner store cannot remove the content of a frame")

    async def find_sessions(
        self,
        query: SessionQuery,
        /,
        *,
        order: str = SessionOrder.CREATED,
        cursor: str | None = None,
        limit: int = 100,
    ) -> SessionPage:
        """Return a page as the interface says, at the cost of listing all sessions.

        A cursor is valid only for this store object, whose owner numbers the sessions. Ending by a
        sweep is an update of the inner store, and so it is activity.
        """
        if type(query) is not SessionQuery:
            raise TypeError(f"a SessionQuery is expected, not {type(query).__name__}")
        checked_count("limit", limit, minimum=1, maximum=MOST_A_PAGE)
        known = self._known
        if checked_order(order) is SessionOrder.CREATED:
            after = checked_cursor(cursor)
            return await self._do(lambda inner: sweeps.find(inner, known, query, after, limit))
        place = checked_activity(cursor)
        return await self._do(
            lambda inner: sweeps.find_by_activity(inner, known, query, place, limit)
        )

    def watch_frames(
        self,
        session_id: str,
        /,
        *,
        after: int = 0,
        stream: str | None = None,
        incarnation: str | None = None,
    ) -> FrameWatcher:
        """Yield frames as the interface says, at the cost of reading the whole log for each look.

        Frames written directly to the inner store are yielded when this object next sees the
        session: only writes through this object wake a watcher at once.
        """
        session_id = checked_id(session_id)
        checked_count("after", after, minimum=0)
        stream, incarnation = checked_stream(stream), checked_incarnation(incarnation)
        known = self._known

        # The proof of the last frame that was read, and its number.
        seen: tuple[int, Proof] = 0, None

        async def read_page(number: int | None, after: int) -> LogPage:
            nonlocal seen
            proof = seen[1] if seen[0] == after else None
            news = await self._do(
                lambda inner: operations.look(
                    inner,
                    known,
                    session_id,
                    number,
                    after=after,
                    limit=WATCHED_AT_ONCE,
                    proof=proof,
                    stream=stream,
                    incarnation=incarnation,
                )
            )
            seen = news.frames[-1].seq if news.frames else after, news.proof
            return news

        return FrameWatcher(read_page, self._wakeups, session_id, after)
