"""The view of one principal on a third party's store: what is not its own does not exist."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Self, TypeVar

from ...interface.arguments import checked_session, checked_sessions
from ...interface.atomic_store import Change
from ...interface.wakeups import NarrowBells
from ...values.errors import LimitExceeded
from ...values.events import Listener
from ...values.message import MessageEnvelope
from ...values.session import Session
from ...values.statistics import StoreStatistics
from ..principal import PrincipalScope, hide_others, refuse_whole
from .facade import AwaitedStore
from .principal_filter import PrincipalFilter
from .runner import Operation
from .session_index import SessionIndex

__all__ = ["OwnedPrincipalStore"]

R = TypeVar("R")


class OwnedPrincipalStore(AwaitedStore):
    """Made by `for_principal`; the store's own owner does its operations, each with its check.

    `count_sessions` lists all sessions: O(sessions). Another process may give a session away
    between the check and the operation.
    """

    def __init__(self, store: AwaitedStore, principal: str) -> None:
        self._belonging = PrincipalScope(principal)

        # In functions, and not in attributes, as `PrincipalStore` has its store.
        async def do(operation: Operation[R], /) -> R:
            try:
                return await store._do(lambda inner: operation(PrincipalFilter(inner, principal)))
            except LimitExceeded as full:
                hide_others(full)
                raise

        def apply_as_owner(change: Change) -> Change:
            return store._applier(change)

        def known(session_id: str) -> SessionIndex:
            return store._known(session_id)

        self._do_own, self._applier, self._known = do, apply_as_owner, known
        self._asks_open: Callable[[], bool] = lambda: store.is_open
        self._wakeups = NarrowBells(store._wakeups)
        self.guarantees = store.guarantees  # type: ignore[misc]  # of the class it is a view of

    def __repr__(self) -> str:
        return f"<OwnedPrincipalStore {'open' if self.is_open else 'closed'}>"

    @property
    def is_open(self) -> bool:
        """Whether the store takes operations now."""
        return self._asks_open()

    async def _do(self, operation: Operation[R], /) -> R:
        return await self._do_own(operation)

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

    def for_principal(self, principal: str, /) -> Self:
        """Return this view for its own principal. Raises `ValueError` for another."""
        self._belonging.check_same(principal)
        return self
