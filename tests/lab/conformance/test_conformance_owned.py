"""An owner around the store of `docs/writing-a-backend.md`: all that it does not refuse is kept,
also when each of the ten methods is a round trip.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    AtomicSessionStore,
    Clock,
    OwnedSessionStore,
    SessionStore,
    StoreLimits,
)
from sessionlab.conformance import (
    AtomicSessionStoreConformance,
    Restore,
    SessionStoreConformance,
)
from sessionlab.conformance.durability import AtomicDurabilityConformance, DurabilityConformance
from sessionlab.conformance.replaced_logs import ReplacedLogsConformance

from tests.lab.conformance.file_store import FileSessionStore

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
        {
            *("touch_session", "archive_session", "trim_frames", "remove_frames"),
            *("add_frames of several", "limits"),
        }
    )

    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        if limits is not None:
            raise NotImplementedError("the inner store has no limits")
        return OwnedSessionStore(self.far(self.inner()), clock=clock)


class Files:
    """Makes durable stores of ten methods, each with a file of its own."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.files = (tmp_path / f"store-{n}.json" for n in count())

    def make_file_store(self) -> FileSessionStore:
        self.file = next(self.files)
        return FileSessionStore(self.file)


class TestFile(Files, SessionStoreConformance):
    """A durable store of ten methods, opened again."""

    def make_store(self, *, limits: StoreLimits | None = None, clock: Clock | None = None) -> Any:
        return self.make_file_store()

    def reopen_store(self, store: SessionStore) -> SessionStore:
        again: SessionStore = FileSessionStore(self.file)
        return again


class TestOwnedFile(
    Files, DurabilityConformance, AtomicDurabilityConformance, ReplacedLogsConformance
):
    """The same store with an owner: what that acknowledges is in the file."""

    refuses = TestOwned.refuses

    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        self.inner = self.make_file_store()
        return OwnedSessionStore(self.inner, clock=clock)

    def reopen_store(self, store: SessionStore) -> SessionStore:
        return OwnedSessionStore(FileSessionStore(self.file))

    async def back_up(self, store: AtomicSessionStore) -> Restore:
        kept = self.inner.dump()

        async def restore() -> None:
            self.inner.clear()
            self.inner.load(kept)

        return restore
