"""One turn of a conversation, which others do not come into the middle of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, Self

from agents import TResponseInputItem
from agents.memory import SessionSettings
from agents.memory.session_settings import resolve_session_limit

from sessionkeeper import MessageEnvelope

from .conversation import Conversation, Place
from .items import envelopes, item_in

if TYPE_CHECKING:
    from .session import StoreSession

__all__ = ["Turn"]


class Turn:
    """A `Session` for one run: `async with session.turn() as turn`, and give it to the `Runner`.

    It shows the items that the conversation had when the block began, and its own. At the end of
    the block its items are added in one step, one after the other, so that two turns that run at
    the same time are not mixed. If the block raises or is cancelled, nothing is added.

    With `stale="merge"` they come after whatever was added meanwhile. With `stale="refuse"` the end
    of the block raises `SequenceConflict` if anything was, or if the conversation was deleted and
    made anew, and adds nothing: run the turn again.

    `with` in place of `async with` is for code without a loop, on a store with a thread of its own.
    """

    session_id: str
    session_settings: SessionSettings | None

    def __init__(
        self,
        session: StoreSession,
        conversation: Conversation,
        *,
        stale: Literal["merge", "refuse"],
    ) -> None:
        """Make one with `StoreSession.turn`."""
        if stale not in ("merge", "refuse"):
            raise ValueError("stale is 'merge' or 'refuse'")
        self.session_id = session.session_id
        self.session_settings = session.session_settings
        self._conversation = conversation
        self._refuses = stale == "refuse"
        self._added: list[MessageEnvelope] = []
        self._begun: Place | None = None
        """Where the conversation ended when the turn began; None before and after the turn."""

    async def __aenter__(self) -> Self:
        if self._begun is not None:
            raise RuntimeError("a turn is begun once")
        self._begun = await self._conversation.end()
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        begun, self._begun = self._start(), None
        added, self._added = self._added, []
        if kind is None and added:
            expected = begun if self._refuses else None
            await self._conversation.append(added, expected=expected)

    def __enter__(self) -> Self:
        return asyncio.run(self.__aenter__())

    def __exit__(self, kind: object, *_: object) -> None:
        asyncio.run(self.__aexit__(kind))

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return the last `limit` items: of the conversation when the turn began, then its own."""
        begun = self._start()
        limit = resolve_session_limit(limit, self.session_settings)
        own = [item_in(each) for each in self._added]
        if limit is not None and limit <= len(own):
            return own[-limit:] if limit > 0 else []
        left = None if limit is None else limit - len(own)
        return await self._conversation.read(left, up_to=begun) + own

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Add items to the turn. Raises `TypeError` and `ValueError` for what is no JSON."""
        self._start()
        self._added += envelopes(self._conversation.key, items)

    async def pop_item(self) -> TResponseInputItem | None:
        """Take out the newest item of the turn; None if it has none of its own."""
        self._start()
        return item_in(self._added.pop()) if self._added else None

    async def clear_session(self) -> None:
        """Take out the items of the turn; the conversation keeps its own."""
        self._start()
        self._added.clear()

    def _start(self) -> Place:
        if self._begun is None:
            raise RuntimeError("the turn is not under way: use 'async with session.turn()'")
        return self._begun
