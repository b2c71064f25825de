"""The view of one principal on a store: what is not its own does not exist."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NoReturn, TypeVar

from ..interface.arguments import checked_session, checked_sessions, checked_text
from ..interface.atomic_store import AtomicSessionStore, Change
from ..interface.wakeups import NarrowBells
from ..operations import CountOwnSessions, ListOwnSessions, Scoped
from ..operations.command import StoreCommand
from ..values.errors import LimitExceeded
from ..values.events import Listener
from ..values.message import MessageEnvelope
from ..values.query import SessionPage, SessionQuery
from ..values.session import Session
from ..values.statistics import StoreStatistics
from .facade import CommandStore

__all__ = ["PrincipalScope", "PrincipalStore", "hide_others", "refuse_whole"]

R = TypeVar("R")

_OF_ONE_SESSION = frozenset(
    {
        *("max_frame_bytes", "max_frames_per_batch", "max_frames_per_session", "max_json_depth"),
        *("max_metadata_bytes", "max_pending_per_session", "max_session_bytes", "rate_limit"),
    }
)
"""The limits whose `current` is of one session or one call. All others are taken for shared ones:
a third party's store may have limits of its own."""


def hide_others(full: LimitExceeded) -> None:
    """Take out of an error how much all principals hold together."""
    if full.limit not in _OF_ONE_SESSION:
        # In place: an error made of this one would have it as its context.
        LimitExceeded.__init__(full, full.limit, current=None, maximum=full.maximum)


class PrincipalScope:
    """What a principal's view lets pass: sessions that belong to the principal, and stay so."""

    __slots__ = ("principal",)

    def __init__(self, principal: str) -> None:
        self.principal = checked_text("a principal", principal)

    def own(self, session: Session) -> Session:
        """Return a new session with its principal. Raises `ValueError` for another's."""
        if session.principal is None:
            return session.model_copy(update={"principal": self.principal})
        return self.kept(session)

    def kept(self, session: Session) -> Session:
        """Return the session. Raises `ValueError` if it is another's, or nobody's."""
        if session.principal != self.principal:
            raise ValueError("a session in a principal's view belongs to that principal")
        return session

    def wrap_change(self, change: Change) -> Change:
        """Wrap a change that may not give the session away."""

        def wrap_change(session: Session) -> Session:
            changed = change(session)
            # What is no Session at all is the command's to refuse.
            return self.kept(changed) if isinstance(changed, Session) else changed

        return wrap_change

    def check_same(self, principal: str) -> None:
        """Raise `ValueError` for another principal."""
        if checked_text("a principal", principal) != self.principal:
            raise ValueError("a principal's view shows nobody else's sessions")


class PrincipalStore(CommandStore):
    """Made by `for_principal`; sends the store's own commands, each with its check.

    It has the store in two functions and not in an attribute: whoever writes `view._store` by
    mistake gets nothing. Python hides nothing from code that goes looking.
    """

    def __init__(self, store: CommandStore, principal: str) -> None:
        self._belonging = PrincipalScope(principal)
        self._principal = self._belonging.principal
        self._wakeups = NarrowBells(store._wakeups)  # type: ignore[assignment]  # as much as it needs

        async def run(command: StoreCommand[R], /) -> R:
            touched = command.touches
            try:
                return await store._run(Scoped(command, touched, principal, command.weight))
            except LimitExceeded as full:
                hide_others(full)
                raise

        self._run = run
        self._asks_open: Callable[[], bool] = lambda: store.is_open
        self.guarantees = store.guarantees  # type: ignore[misc]  # of the class it is a view of

    def __repr__(self) -> str:
        # Not the store's: how full its mailbox is tells of others.
        return f"<PrincipalStore {'open' if self.is_open else 'closed'}>"

    @property
    def is_open(self) -> bool:
        """Whether the store takes operations now."""
        return self._asks_open()

    async def create_session(self, session: Session, /) -> Session:
        return await super().create_session(self._belonging.own(checked_session(session)))

    async def get_or_create_session(self, session: Session, /) -> tuple[Session, bool]:
        return await super().get_or_create_session(self._belonging.own(checked_session(session)))

    async def update_session(self, session: Session, /) -> Session:
        return await super().update_session(self._belonging.kept(checked_session(session)))

    async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
        checked = [self._belonging.kept(session) for session in checked_sessions(sessions)]
        return await super().update_sessions_batch(checked)

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        return await super().modify_session(session_id, self._belonging.wrap_change(change))

    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        expected_last_seq: int | None = None,
        change: Change | None = None,
    ) -> range:
        return await super().add_frames(
            session_id,
            envelopes,
            expected_last_seq=expected_last_seq,
            change=None if change is None else self._belonging.wrap_change(change),
        )

    async def list_sessions(self) -> list[Session]:
        return await self._run(ListOwnSessions(self._principal))

    async def count_sessions(self) -> int:
        return await self._run(CountOwnSessions(self._principal))

    async def find_sessions(
        self, query: SessionQuery, /, *, cursor: str | None = None, limit: int = 100
    ) -> SessionPage:
        of = self._principal
        if type(query) is SessionQuery:
            of = query.principal or of
            query = query.model_copy(update={"principal": self._principal})
        page = await super().find_sessions(query, cursor=cursor, limit=limit)
        # Who asks for another's sessions learns as much as if there were none: even how long it
        # takes is a matter of his own.
        return page if of == self._principal else SessionPage((), None)

    # What concerns the whole store is refused before anybody looks at what else is wrong with it.

    async def expire_sessions(
        self, *, idle: float | None = None, age: float | None = None, limit: int = 100
    ) -> list[Session]:
        refuse_whole("expire_sessions")

    async def purge_sessions(
        self,
        *,
        ended_before: datetime | None = None,
        ended_for: float | None = None,
        limit: int = 100,
    ) -> int:
        refuse_whole("purge_sessions")

    async def statistics(self) -> StoreStatistics:
        refuse_whole("statistics")

    def subscribe(self, listener: Listener, /) -> Callable[[], None]:
        refuse_whole("subscribe")

    def for_principal(self, principal: str, /) -> AtomicSessionStore:
        """Return this view for its own principal. Raises `ValueError` for another."""
        self._belonging.check_same(principal)
        return self


def refuse_whole(method: str) -> NoReturn:
    """Refuse a method of a view. Raises `NotImplementedError`."""
    raise NotImplementedError(f"{method} concerns the whole store")
