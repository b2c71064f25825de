"""An owner around the store of `docs/writing-a-backend.md`: all that it does not refuse is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    Clock,
    OwnedSessionStore,
    RevisionConflict,
    StoreLimits,
)
from sessionkeeper.conformance import AtomicSessionStoreConformance, SessionStoreConformance

if TYPE_CHECKING:
    from tests.conformance.conftest import Backend


class DictStores:
    """Makes the store of the page for the tests of a class."""

    inner: Any

    @pytest.fixture(autouse=True)
    def _read_the_page(self, docs: Backend) -> None:
        self.inner = docs.store_class


class TestDict(DictStores, SessionStoreConformance):
    def make_store(self, *, limits: StoreLimits | None = None, clock: Clock | None = None) -> Any:
        return self.inner()


class TestOwned(DictStores, AtomicSessionStoreConformance):
    refuses = frozenset(
        {
            *("touch_session", "add_frames of several", "trim_frames", "find_sessions"),
            *("expire_sessions", "purge_sessions", "watch_frames"),
            *("subscribe", "for_principal", "limits", "clock"),
        }
    )

    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        if limits is not None or clock is not None:
            raise NotImplementedError("the inner store has no limits and no clock")
        return OwnedSessionStore(self.inner())

    async def test_the_numbers_add_up(self, store: AtomicSessionStore) -> None:
        """Known: the counters of an owner around ten methods are all zero."""
        with pytest.raises(AssertionError):
            await AtomicSessionStoreConformance.test_the_numbers_add_up(self, store=store)

    async def test_a_change_sets_nothing_of_the_stores(self, store: AtomicSessionStore) -> None:
        """Known: a change that touches `revision` is refused, instead of being ignored in that."""
        with pytest.raises(RevisionConflict):
            await AtomicSessionStoreConformance.test_a_change_sets_nothing_of_the_stores(
                self, store=store
            )
