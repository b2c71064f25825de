"""An owner around the store of `docs/writing-a-backend.md`: all that it does not refuse is kept,
also when each of the ten methods is a round trip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    Clock,
    OwnedSessionStore,
    StoreLimits,
)
from sessionlab.conformance import AtomicSessionStoreConformance, SessionStoreConformance

if TYPE_CHECKING:
    from tests.lab.conformance.conftest import Backend


class DictStores:
    """Makes the store of the page for the tests of a class."""

    inner: Any
    far: Any

    @pytest.fixture(autouse=True)
    def _read_the_page(self, docs: Backend, only_ten: Any) -> None:
        self.inner, self.far = docs.store_class, only_ten


class TestDict(DictStores, SessionStoreConformance):
    def make_store(self, *, limits: StoreLimits | None = None, clock: Clock | None = None) -> Any:
        return self.inner()


class TestOwned(DictStores, AtomicSessionStoreConformance):
    refuses = frozenset(
        {"touch_session", "archive_session", "trim_frames", "add_frames of several", "limits"}
    )

    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        if limits is not None:
            raise NotImplementedError("the inner store has no limits")
        return OwnedSessionStore(self.far(self.inner()), clock=clock)
