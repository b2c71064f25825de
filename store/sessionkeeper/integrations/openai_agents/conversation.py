"""The log of one conversation: what a session and its turns do with it."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import NamedTuple, TypeVar

from agents import TResponseInputItem

from sessionkeeper import (
    AtomicSessionStore,
    MessageEnvelope,
    SequenceConflict,
    Session,
    SessionNotFound,
    StoreClosed,
)

from .items import ClosedSession, is_item, item_in, record

__all__ = ["Conversation", "Place"]

R = TypeVar("R")

_MORE = 64
_LOOK_BACK = 16
"""Number of frames in which `pop` looks for the newest item at once."""


class Place(NamedTuple):
    """A place in the log of a conversation."""

    incarnation: str | None
    """None before there is a conversation."""
    seq: int
    """The number of the last frame; 0 before the first."""


class Conversation:
    """Where the items of a session are: a session of the store.

    Every method raises `ClosedSession` when the store is closed.
    """

    __slots__ = ("_name", "_session_id", "key", "store")

    def __init__(self, store: AtomicSessionStore, key: str, session_id: str, name: str) -> None:
        self.store = store
        self.key = key
        self._session_id = session_id
        self._name = name

    def check_open(self) -> None:
        """Raise `ClosedSession` if the store takes no operations now."""
        if not self.store.is_open:
            raise ClosedSession(self._name)

    async def append(
        self, frames: Sequence[MessageEnvelope], *, expected: Place | None = None
    ) -> None:
        """Append items in one step; the session of the store is made if it is not there.

        `expected` is where the conversation must end. Raises `SequenceConflict` if it ends
        elsewhere, and as `add_frames`, but for `SessionNotFound`.
        """

        def check(session: Session) -> Session:
            # A conversation that was deleted and made anew can end with the same number.
            if expected is not None and expected.incarnation not in (None, session.incarnation):
                raise SequenceConflict(self.key, expected=expected.seq, current=session.last_seq)
            return session

        seq = None if expected is None else expected.seq
        change = None if expected is None else check
        while True:
            try:
                await self._open(
                    self.store.add_frames(self.key, frames, expected_last_seq=seq, change=change)
                )
            except SessionNotFound:  # a new one, or it was deleted a moment ago
                made = record(self.key, self._session_id)
                await self._open(self.store.get_or_create_session(made))
            else:
                return

    async def read(
        self, limit: int | None, *, up_to: Place | None = None
    ) -> list[TResponseInputItem]:
        """Return the last items, of those up to a place if one is given, all of one moment."""
        if limit is not None and limit < 1:
            self.check_open()
            return []
        try:
            found = await self._open(self._read(limit, up_to))
        except SessionNotFound:
            return []
        return [item_in(each) for each in (found if limit is None else found[-limit:])]

    async def end(self) -> Place:
        """Return the place of the last item, also of one that was taken out."""
        try:
            session = await self._open(self.store.get_session(self.key))
        except SessionNotFound:
            return Place(None, 0)
        return Place(session.incarnation, session.last_seq)

    async def pop(self) -> TResponseInputItem | None:
        """Take out the newest item and return it; None if there is none."""
        try:
            return await self._open(self._pop())
        except SessionNotFound:
            return None

    async def clear(self) -> None:
        """Take out all items in one step; delete a session of the store that has ended."""
        try:
            session = await self._open(self.store.get_session(self.key))
            if session.state.is_terminal:
                await self._open(self.store.delete_session(self.key))
            else:
                await self._open(self.store.delete_frames(self.key))
        except SessionNotFound:
            pass

    async def _read(self, limit: int | None, up_to: Place | None) -> list[MessageEnvelope]:
        before = None if up_to is None else up_to.seq + 1
        own = None if up_to is None else up_to.incarnation
        if limit is not None:
            # What was taken out has frames, too: as a rule none of the last, or not many. Each
            # read begins anew, so that what is returned was there at one moment.
            for most in (limit, 4 * limit + _MORE):
                frames = await self.store.read_frames(
                    self.key, before=before, limit=most, newest=True, incarnation=own
                )
                found = [each.envelope for each in frames if is_item(each.envelope)]
                if len(found) >= limit or len(frames) < most:
                    return found
        if before is None:
            return [each for each in await self.store.get_frames(self.key) if is_item(each)]
        frames = await self.store.read_frames(
            self.key, before=before, limit=before, incarnation=own
        )
        return [each.envelope for each in frames if is_item(each.envelope)]

    async def _pop(self) -> TResponseInputItem | None:
        # A conversation that is deleted and made anew meanwhile is another one, and was empty.
        own = (await self.store.get_session(self.key)).incarnation
        before: int | None = None
        while True:
            frames = await self.store.read_frames(
                self.key, before=before, limit=_LOOK_BACK, reverse=True, incarnation=own
            )
            newest = next((each for each in frames if is_item(each.envelope)), None)
            if newest is not None:
                if await self.store.remove_frames(self.key, (newest.seq,), incarnation=own):
                    return item_in(newest.envelope)
                before = None  # another one was faster: look again
            elif len(frames) < _LOOK_BACK:
                return None
            else:
                before = frames[-1].seq

    async def _open(self, call: Awaitable[R]) -> R:
        try:
            return await call
        except StoreClosed as error:
            raise ClosedSession(self._name) from error
