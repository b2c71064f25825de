"""A conversation of the Agents SDK, kept in a session of the store."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Literal, TypeVar

from agents import TResponseInputItem
from agents.memory import SessionSettings
from agents.memory.session_settings import coerce_session_settings, resolve_session_limit

from sessionkeeper import (
    AtomicSessionStore,
    SessionNotFound,
    StoreClosed,
    session_id_for,
)

from .items import TAG, ClosedSession, append, envelopes, is_item, item_in
from .opened import OpenedSession
from .turn import Turn

__all__ = ["StoreSession"]

R = TypeVar("R")

_MORE = 64
_LOOK_BACK = 16
"""Number of frames in which `pop_item` looks for the newest item at once."""


class StoreSession:
    """A `Session` of the Agents SDK: `Runner.run(agent, "Hello", session=session)`.

    Objects with one `session_id` on one store are one conversation, in all tasks and processes.
    `session_settings.limit` is the default of `get_items`.

    A call that is cancelled before the store begins it has no effect; afterwards it is completed.
    """

    session_id: str
    session_settings: SessionSettings | None

    def __init__(
        self,
        session_id: str,
        store: AtomicSessionStore,
        *,
        session_settings: SessionSettings | dict[str, Any] | None = None,
        principal: str | None = None,
    ) -> None:
        """Use an open store, which stays open. Nothing is stored before the first item.

        With a `principal`, the conversation is that principal's own: another principal's with the
        same id is another one. Raises `TypeError` and `ValueError` for bad arguments.
        """
        self.session_id = session_id
        self.session_settings = coerce_session_settings(
            SessionSettings() if session_settings is None else session_settings
        )
        owner = () if principal is None else (principal,)
        self._key = session_id_for(TAG, session_id, *owner)
        self._store = store if principal is None else store.for_principal(principal)

    @classmethod
    def from_url(
        cls,
        session_id: str,
        url: str,
        *,
        session_settings: SessionSettings | dict[str, Any] | None = None,
        principal: str | None = None,
    ) -> OpenedSession:
        """Return a context manager that opens a store, gives a session, and closes the store.

        `async with` opens it on the running loop. `with` opens it in a thread of its own: then the
        session works on any loop, and with `Runner.run_sync`. Raises as `threaded`.
        """

        def make(store: AtomicSessionStore) -> StoreSession:
            return cls(session_id, store, session_settings=session_settings, principal=principal)

        return OpenedSession(url, make)

    def __repr__(self) -> str:
        return f"<StoreSession on {self._store!r}>"

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return the last `limit` items in order, all of one moment.

        Without a `limit`, that of the settings; without either, all items. A limit below 1 gives no
        item. Raises `ClosedSession`.
        """
        limit = resolve_session_limit(limit, self.session_settings)
        return await self._open(self._read(limit, before=None))

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Add items, all or none, in one step.

        Raises `TypeError` and `ValueError` for an item that is no JSON, `LimitExceeded`,
        `SessionClosed` when the session in the store has ended, and `ClosedSession`.
        """
        frames = envelopes(self._key, items)
        if frames:
            await self._open(append(self._store, self._key, self.session_id, frames))
        elif not self._store.is_open:
            raise ClosedSession(type(self).__name__)

    async def pop_item(self) -> TResponseInputItem | None:
        """Take out the newest item and return it; None if there is none.

        No item is returned twice, however many take at the same time. An item that is added while
        this looks for the newest one stays. Raises `ClosedSession`.
        """
        return await self._open(self._pop())

    async def clear_session(self) -> None:
        """Take out all items in one step. Raises `ClosedSession`.

        If the session in the store has ended, it is deleted, and the next item begins a new one.
        """
        await self._open(self._clear())

    def turn(self, *, stale: Literal["merge", "refuse"] = "merge") -> Turn:
        """Return a session for one turn, which is kept apart from others: see `Turn`."""
        return Turn(self, stale=stale)

    async def _open(self, call: Awaitable[R]) -> R:
        try:
            return await call
        except StoreClosed as error:
            raise ClosedSession(type(self).__name__) from error

    async def _read(self, limit: int | None, *, before: int | None) -> list[TResponseInputItem]:
        """Read the last items of those with a number below `before`."""
        if limit is not None and limit < 1:
            return []
        try:
            if limit is not None:
                # What was taken out has frames, too: as a rule none of the last, or not many. Each
                # read begins anew, so that what is returned was there at one moment.
                for most in (limit, 4 * limit + _MORE):
                    frames = await self._store.read_frames(
                        self._key, before=before, limit=most, newest=True
                    )
                    found = [each.envelope for each in frames if is_item(each.envelope)]
                    if len(found) >= limit or len(frames) < most:
                        return [item_in(each) for each in found[-limit:]]
            if before is None:
                found = [each for each in await self._store.get_frames(self._key) if is_item(each)]
            else:
                found = await self._read_before(before)
        except SessionNotFound:
            return []
        return [item_in(each) for each in (found if limit is None else found[-limit:])]

    async def _read_before(self, before: int) -> list[Any]:
        frames = await self._store.read_frames(self._key, before=before, limit=max(1, before))
        return [each.envelope for each in frames if is_item(each.envelope)]

    async def _last_number(self) -> int:
        try:
            return (await self._store.get_session(self._key)).last_seq
        except SessionNotFound:
            return 0

    async def _pop(self) -> TResponseInputItem | None:
        before: int | None = None
        while True:
            try:
                frames = await self._store.read_frames(
                    self._key, before=before, limit=_LOOK_BACK, reverse=True
                )
                newest = next((each for each in frames if is_item(each.envelope)), None)
                if newest is not None:
                    if await self._store.remove_frames(self._key, (newest.seq,)):
                        return item_in(newest.envelope)
                    before = None  # another one was faster: look again
                elif len(frames) < _LOOK_BACK:
                    return None
                else:
                    before = frames[-1].seq
            except SessionNotFound:
                return None

    async def _clear(self) -> None:
        try:
            session = await self._store.get_session(self._key)
            if session.state.is_terminal:
                await self._store.delete_session(self._key)
            else:
                await self._store.delete_frames(self._key)
        except SessionNotFound:
            pass
