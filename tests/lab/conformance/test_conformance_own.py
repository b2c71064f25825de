"""The project's own stores, held to the contract by the kit that third parties get."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    Clock,
    LockedSessionStore,
    PlainSessionStore,
    SQLiteSessionStore,
    StoreLimits,
)
from sessionlab.conformance import AtomicSessionStoreConformance


class TestActor(AtomicSessionStoreConformance):
    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        return ActorSessionStore(limits=limits, clock=clock)


class TestPlain(AtomicSessionStoreConformance):
    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        return PlainSessionStore(limits=limits, clock=clock)


class TestLocked(AtomicSessionStoreConformance):
    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        return LockedSessionStore(limits=limits, clock=clock)


class TestSQLite(AtomicSessionStoreConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.files = count()

    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        # The rules are the same, and a disk's sync is slow.
        self.file = self.folder / f"store-{next(self.files)}.db"
        return SQLiteSessionStore(self.file, durability="os", limits=limits, clock=clock)

    def reopen_store(self, store: AtomicSessionStore) -> AtomicSessionStore:
        return SQLiteSessionStore(self.file, durability="os")
