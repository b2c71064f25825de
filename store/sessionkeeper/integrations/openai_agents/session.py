"""A conversation of the Agents SDK, kept in a session of the store."""

from __future__ import annotations

from typing import Any, Literal

from agents import TResponseInputItem
from agents.memory import SessionSettings
from agents.memory.session_settings import coerce_session_settings, resolve_session_limit

from sessionkeeper import AtomicSessionStore, session_id_for

from ..opened import Opened
from .conversation import Conversation
from .items import TAG, envelopes
from .turn import Turn

__all__ = ["StoreSession"]


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
        self._conversation = Conversation(
            store if principal is None else store.for_principal(principal),
            session_id_for(TAG, session_id, *owner),
            session_id,
            type(self).__name__,
        )

    @classmethod
    def from_url(
        cls,
        session_id: str,
        url: str,
        *,
        session_settings: SessionSettings | dict[str, Any] | None = None,
        principal: str | None = None,
    ) -> Opened[StoreSession]:
        """Return a context manager that opens a store, gives a session, and closes the store.

        `async with` opens it on the running loop. `with` opens it in a thread of its own: then the
        session works on any loop, and with `Runner.run_sync`. Raises as `threaded`.
        """

        def make(store: AtomicSessionStore) -> StoreSession:
            return cls(session_id, store, session_settings=session_settings, principal=principal)

        return Opened(url, make)

    def __repr__(self) -> str:
        return f"<StoreSession on {self._conversation.store!r}>"

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return the last `limit` items in order, all of one moment.

        Without a `limit`, that of the settings; without either, all items. A limit below 1 gives no
        item. Raises `ClosedSession`.
        """
        limit = resolve_session_limit(limit, self.session_settings)
        return await self._conversation.read(limit)

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Add items, all or none, in one step.

        Raises `TypeError` and `ValueError` for an item that is no JSON, `LimitExceeded`,
        `SessionClosed` when the session in the store has ended, and `ClosedSession`.
        """
        frames = envelopes(self._conversation.key, items)
        if frames:
            await self._conversation.append(frames)
        else:
            self._conversation.check_open()

    async def pop_item(self) -> TResponseInputItem | None:
        """Take out the newest item and return it; None if there is none.

        No item is returned twice, however many take at the same time. An item that is added while
        this looks for the newest one stays. Raises `ClosedSession`.
        """
        return await self._conversation.pop()

    async def clear_session(self) -> None:
        """Take out all items in one step. Raises `ClosedSession`.

        If the session in the store has ended, it is deleted, and the next item begins a new one.
        """
        await self._conversation.clear()

    def turn(self, *, stale: Literal["merge", "refuse"] = "merge") -> Turn:
        """Return a session for one turn, which is kept apart from others: see `Turn`."""
        return Turn(self, self._conversation, stale=stale)
