"""Stores to test: the designs by name, one in a file of its own, and a third party's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    Clock,
    LockedSessionStore,
    MessageEnvelope,
    OwnedSessionStore,
    PlainSessionStore,
    PostgresSessionStore,
    RevisionConflict,
    Session,
    SessionClosed,
    SessionExists,
    SessionNotFound,
    SessionStore,
    SQLiteSessionStore,
    StoreLimits,
)
from sessionkeeper.backends.memory import MemoryTables
from sessionkeeper.interface.wakeups import StoreWakeups
from sessionkeeper.stores.facade import CommandStore
from sessionkeeper.stores.owner_backed import OwnerBackedStore
from soleowner import ActorPair

if TYPE_CHECKING:
    from postgres_server import PostgresServer

__all__ = [
    "DESIGNS",
    "Barrier",
    "DatabaseStore",
    "Design",
    "FileStore",
    "ThirdPartyStore",
    "database_stores",
    "make_store",
    "tables_of",
    "wakeups_of",
]


_numbers = count()


class FileStore(SQLiteSessionStore):
    """The store in a file, each on a new one."""

    folder: ClassVar[Path]

    def __init__(
        self,
        *,
        limits: StoreLimits | None = None,
        clock: Clock | None = None,
        capacity: int = 1024,
        capacity_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        number = next(_numbers)
        super().__init__(
            self.folder / f"store-{number}.db",
            durability="os",  # the rules are the same, and a disk's sync is slow
            limits=limits,
            clock=clock,
            capacity=capacity,
            capacity_bytes=capacity_bytes,
        )


class DatabaseStore(PostgresSessionStore):
    """The store in a database, each in a new schema; `database_stores` says where."""

    url: ClassVar[str]
    schemas: ClassVar[list[str]] = []
    """Those that were used."""

    def __init__(
        self,
        *,
        limits: StoreLimits | None = None,
        clock: Clock | None = None,
        capacity: int = 1024,
        capacity_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        schema = f"store_{next(_numbers)}"
        self.schemas.append(schema)
        super().__init__(
            f"{self.url}?schema={schema}",
            limits=limits,
            clock=clock,
            capacity=capacity,
            capacity_bytes=capacity_bytes,
            patience=60.0,  # the machine may be busy
        )


@contextmanager
def database_stores(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have a server for the stores of a test that names this kind of store as a parameter."""
    callspec: Any = getattr(request.node, "callspec", None)
    if callspec is None or "postgres" not in callspec.params.values():
        yield
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    DatabaseStore.url = server.url
    try:
        yield
    finally:
        for schema in DatabaseStore.schemas:
            server.psql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        DatabaseStore.schemas.clear()


Design: TypeAlias = Callable[..., AtomicSessionStore]

DESIGNS: dict[str, Design] = {
    "actor": ActorSessionStore,
    "plain": PlainSessionStore,
    "locked": LockedSessionStore,
    "sqlite": FileStore,
    "postgres": DatabaseStore,
}


class ThirdPartyStore(SessionStore):
    """Honest and naive: between looking and writing it awaits, as a client of a database would."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.logs: dict[str, list[MessageEnvelope]] = {}
        self.revision = 0
        self.running = self.most_running = 0

    async def wait(self) -> None:
        """Let others run, once or more, as a round trip does; tests put a barrier here."""
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        finally:
            self.running -= 1

    async def _find(self, session_id: str) -> Session:
        found = self.sessions.get(session_id)
        await self.wait()
        if found is None:
            raise SessionNotFound(session_id)
        return found

    def _keep(self, session: Session, *, revision: int, frames: int, last_seq: int) -> Session:
        now = datetime.now(UTC)
        fields = {"revision": revision, "frame_count": frames, "last_seq": last_seq}
        ended = {"ended_at": now} if session.state.is_terminal else {}
        kept = session.model_copy(update=fields | ended | {"last_activity": now})
        self.sessions[session.id] = kept
        return kept

    async def create_session(self, session: Session, /) -> Session:
        taken = session.id in self.sessions
        await self.wait()
        if taken:
            raise SessionExists(session.id)
        self.revision += 1
        self.logs[session.id] = []
        return self._keep(session, revision=self.revision, frames=0, last_seq=0)

    async def get_session(self, session_id: str, /) -> Session:
        return await self._find(session_id)

    async def update_session(self, session: Session, /) -> Session:
        found = await self._find(session.id)
        if found.revision != session.revision:
            raise RevisionConflict(session.id, expected=session.revision, current=found.revision)
        session.check_follows(found)
        await self.wait()
        self.revision += 1
        frames, last_seq = found.frame_count, found.last_seq
        return self._keep(session, revision=self.revision, frames=frames, last_seq=last_seq)

    async def delete_session(self, session_id: str, /) -> None:
        await self._find(session_id)
        del self.sessions[session_id], self.logs[session_id]

    async def list_sessions(self) -> list[Session]:
        await self.wait()
        return list(self.sessions.values())

    async def count_sessions(self) -> int:
        await self.wait()
        return len(self.sessions)

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        session = await self._find(envelope.context.session_id)
        if session.state.is_terminal:
            raise SessionClosed(session.id, session.state)
        seq, revision = session.last_seq + 1, session.revision
        await self.wait()
        log = self.logs[session.id]
        log.append(envelope)
        self._keep(session, revision=revision, frames=len(log), last_seq=seq)
        return seq

    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        await self._find(session_id)
        return list(self.logs[session_id])

    async def delete_frames(self, session_id: str, /) -> int:
        session = await self._find(session_id)
        removed = len(self.logs[session_id])
        self.logs[session_id] = []
        revision, last_seq = session.revision, session.last_seq
        self._keep(session, revision=revision, frames=0, last_seq=last_seq)
        return removed

    async def count_frames(self, session_id: str, /) -> int:
        return (await self._find(session_id)).frame_count


class Barrier:
    """Stops an inner store in its next operation, and tells the test when it has arrived."""

    def __init__(self, inner: ThirdPartyStore) -> None:
        self.entered, self.opened = asyncio.Event(), asyncio.Event()
        self.swallows = False
        inner.wait = self.wait  # type: ignore[method-assign]  # the barrier

    async def wait(self) -> None:
        self.entered.set()
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            if not self.swallows:
                raise


def make_store(name: str) -> AtomicSessionStore:
    """Make a store of a design by name, or an owned one around a third party's; not yet open."""
    return OwnedSessionStore(ThirdPartyStore()) if name == "owned" else DESIGNS[name]()


def wakeups_of(store: AtomicSessionStore) -> StoreWakeups:
    """Who watches a store."""
    if isinstance(store, OwnedSessionStore):
        return store._bookkeeping.wakeups
    assert isinstance(store, CommandStore)
    return store._wakeups


def tables_of(store: AtomicSessionStore, *, reading: bool = False) -> MemoryTables:
    """What a store holds its sessions in; with `reading`, as those see it that only read."""
    pair: Any = getattr(store, "_actor", None)
    if reading and isinstance(pair, ActorPair):
        aside: Any = pair._reader._runner
        return cast("MemoryTables", aside._storage._tables)
    if isinstance(store, OwnerBackedStore):
        runner: Any = store._actor._runner
        if isinstance(store, SQLiteSessionStore | PostgresSessionStore):
            return cast("MemoryTables", runner._storage._tables)
        return cast("MemoryTables", runner._state)
    assert isinstance(store, PlainSessionStore)
    return store._tables
