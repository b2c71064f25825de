"""Stores with an event loop of their own, held to the contract from another loop."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    Clock,
    SessionStore,
    SQLiteSessionStore,
    StoreLimits,
    ThreadedSessionStore,
)
from sessionkeeper.stores.owner_backed import OwnerBackedStore
from sessionlab.conformance import AtomicSessionStoreConformance, Restore

from tests.lab.conformance.test_conformance_own import copy


async def opened(store: OwnerBackedStore) -> OwnerBackedStore:
    """Open a store on the loop that runs."""
    return await store.open()


class TestThreadedMemory(AtomicSessionStoreConformance):
    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        return ThreadedSessionStore(partial(opened, ActorSessionStore(limits=limits, clock=clock)))


class TestThreadedSQLite(AtomicSessionStoreConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.files = count()

    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        self.file = self.folder / f"store-{next(self.files)}.db"
        return self._threaded(limits, clock)

    def _threaded(self, limits: StoreLimits | None, clock: Clock | None) -> AtomicSessionStore:
        # The rules are the same, and a disk's sync is slow.
        inner = SQLiteSessionStore(self.file, durability="os", limits=limits, clock=clock)
        return ThreadedSessionStore(partial(opened, inner))

    def reopen_store(self, store: SessionStore) -> SessionStore:
        return self._threaded(None, None)

    async def back_up(self, store: AtomicSessionStore) -> Restore:
        backup = self.file.with_suffix(".backup")
        await asyncio.to_thread(copy, self.file, backup)

        async def restore() -> None:
            await asyncio.to_thread(copy, backup, self.file)

        return restore
