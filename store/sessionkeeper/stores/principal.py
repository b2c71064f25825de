"""The view of one principal on a store: sessions of others do not exist in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..interface.long_answers import in_slices
from ..interface.wakeups import PrincipalWakeups
from ..operations import CountOwnSessions, ListOwnSessions, Scoped
from ..operations.command import StoreCommand
from ..values.errors import LimitExceeded
from ..values.query import SessionOrder, SessionPage, SessionQuery
from ..values.session import Session
from .facade import CommandStore
from .principal_methods import PrincipalMethods, PrincipalScope, hide_others

__all__ = ["PrincipalStore"]

R = TypeVar("R")


class PrincipalStore(PrincipalMethods, CommandStore):
    """Made by `for_principal`; sends the store's own commands, each with its check.

    It holds the store in two functions and not in an attribute, so `view._store` does not exist.
    Python hides nothing from code that searches for it.
    """

    def __init__(self, store: CommandStore, principal: str) -> None:
        self._scope = PrincipalScope(principal)
        self._principal = self._scope.principal
        self._wakeups = PrincipalWakeups(store._wakeups)  # type: ignore[assignment]  # as much as it needs

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

    async def list_sessions(self) -> list[Session]:
        return await in_slices(await self._run(ListOwnSessions(self._principal)))

    async def count_sessions(self) -> int:
        return await self._run(CountOwnSessions(self._principal))

    async def find_sessions(
        self,
        query: SessionQuery,
        /,
        *,
        order: str = SessionOrder.CREATED,
        cursor: str | None = None,
        limit: int = 100,
    ) -> SessionPage:
        of = self._principal
        if type(query) is SessionQuery:
            of = query.principal or of
            query = query.model_copy(update={"principal": self._principal})
        page = await super().find_sessions(query, order=order, cursor=cursor, limit=limit)
        # A query for the sessions of others returns what it would without them, and takes as
        # long as a query for the principal's own.
        return page if of == self._principal else SessionPage((), None)
