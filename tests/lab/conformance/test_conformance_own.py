"""The project's own stores, held to the contract by the kit that third parties get."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    Clock,
    LockedSessionStore,
    PlainSessionStore,
    SessionStore,
    SQLiteSessionStore,
    StoreLimits,
)
from sessionlab.conformance import AtomicSessionStoreConformance, Restore

from tests.lab.conformance.memory_backup import back_up_memory


def copy(source: Path, target: Path) -> None:
    """Have SQLite copy a database into another, which may be in use."""
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


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

    async def back_up(self, store: AtomicSessionStore) -> Restore:
        return back_up_memory(store)


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

    def reopen_store(self, store: SessionStore) -> SessionStore:
        return SQLiteSessionStore(self.file, durability="os")

    async def back_up(self, store: AtomicSessionStore) -> Restore:
        backup = self.file.with_suffix(".backup")
        await asyncio.to_thread(copy, self.file, backup)

        async def restore() -> None:
            await asyncio.to_thread(copy, backup, self.file)

        return restore
