"""An owner around the store of `docs/writing-a-backend.md`: all that it does not refuse is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    Clock,
    OwnedSessionStore,
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
    refuses = frozenset({"touch_session", "trim_frames", "add_frames of several", "limits"})

    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        if limits is not None:
            raise NotImplementedError("the inner store has no limits")
        return OwnedSessionStore(self.inner(), clock=clock)
