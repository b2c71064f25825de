"""The view of one principal on a third party's store: sessions of others do not exist in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ...interface.atomic_store import Change
from ...interface.wakeups import PrincipalWakeups
from ...values.errors import LimitExceeded
from ..principal_methods import PrincipalMethods, PrincipalScope, hide_others
from .facade import AwaitedStore
from .principal_filter import PrincipalFilter
from .runner import Operation
from .session_index import SessionEntry

__all__ = ["OwnedPrincipalStore"]

R = TypeVar("R")


class OwnedPrincipalStore(PrincipalMethods, AwaitedStore):
    """Made by `for_principal`; the store's owner runs its operations, each with its check.

    `count_sessions` lists all sessions: O(sessions). Another process may give a session away
    between the check and the operation.
    """

    def __init__(self, store: AwaitedStore, principal: str) -> None:
        self._scope = PrincipalScope(principal)

        # In functions, and not in attributes, as `PrincipalStore` has its store.
        async def do(operation: Operation[R], /) -> R:
            try:
                return await store._do(lambda inner: operation(PrincipalFilter(inner, principal)))
            except LimitExceeded as full:
                hide_others(full)
                raise

        def apply_as_owner(change: Change) -> Change:
            return store._applier(change)

        def known(session_id: str) -> SessionEntry:
            return store._known(session_id)

        self._do_own, self._applier, self._known = do, apply_as_owner, known
        self._asks_open: Callable[[], bool] = lambda: store.is_open
        self._wakeups = PrincipalWakeups(store._wakeups)  # type: ignore[assignment]  # as much as it needs
        self.guarantees = store.guarantees  # type: ignore[misc]  # of the class it is a view of

    async def _do(self, operation: Operation[R], /) -> R:
        return await self._do_own(operation)
