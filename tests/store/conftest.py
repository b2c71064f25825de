"""Every store there is behind one fixture, and a third party's, written on ten methods only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import ClassVar, TypeAlias

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    Clock,
    LockedSessionStore,
    MessageEnvelope,
    OwnedSessionStore,
    PlainSessionStore,
    RevisionConflict,
    Session,
    SessionClosed,
    SessionExists,
    SessionNotFound,
    SessionStore,
    SQLiteSessionStore,
    StoreLimits,
)

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


Design: TypeAlias = type[ActorSessionStore | PlainSessionStore | LockedSessionStore]

DESIGNS: dict[str, Design] = {
    "actor": ActorSessionStore,
    "plain": PlainSessionStore,
    "locked": LockedSessionStore,
    "sqlite": FileStore,
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    """Where this test's files lie."""
    FileStore.folder = tmp_path


class ThirdPartyStore(SessionStore):
    """Honest and naive: between looking and writing it awaits, as a client of a database would."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.logs: dict[str, list[MessageEnvelope]] = {}
        self.revision = 0
        self.running = self.most_running = 0

    async def wait(self) -> None:
        """Let others run, once or more, as a round trip does; tests put a gate here."""
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


AnyThirdParty: TypeAlias = ThirdPartyStore


class Dial:
    """Both clocks of a store, set by hand."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_700_000_000.0, 50.0

    def clock(self) -> Clock:
        """A clock that shows what is set."""
        return Clock(wall=lambda: self.wall, steady=lambda: self.steady)

    def moment(self) -> datetime:
        """The wall clock's time as a store shows it."""
        return datetime.fromtimestamp(self.wall, UTC)


class Gate:
    """Stops an inner store in its next operation, and lets a test know that it stands there."""

    def __init__(self, inner: ThirdPartyStore) -> None:
        self.entered, self.opened = asyncio.Event(), asyncio.Event()
        self.swallows = False
        inner.wait = self.wait  # type: ignore[method-assign]  # the gate

    async def wait(self) -> None:
        self.entered.set()
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            if not self.swallows:
                raise


class Kit:
    """What a test of a store needs in every second line."""

    ThirdPartyStore = ThirdPartyStore

    def session(self, id: str = "a", **fields: object) -> Session:
        """A session to be created."""
        return Session.new(transport_type="stdio", id=id, **fields)

    def note(self, n: int = 0, id: str = "a", size: int = 0) -> MessageEnvelope:
        """A numbered notification, of `size` bytes if that is given."""
        message = b'{"jsonrpc":"2.0","method":"note","params":[%d]}' % n
        return MessageEnvelope.of(id, message.ljust(size), direction="client-to-server")

    def numbers(self, envelopes: list[MessageEnvelope]) -> list[int]:
        """The numbers of notifications."""
        return [int(each.message.rstrip().split(b"[")[1][:-2]) for each in envelopes]

    def gate(self, inner: AnyThirdParty) -> Gate:
        """Stop a third party's store in its next operation."""
        return Gate(inner)

    def dial(self) -> Dial:
        """Clocks set by hand."""
        return Dial()

    def make(self, name: str) -> AtomicSessionStore:
        """Make a store of a design by name, not yet open."""
        return OwnedSessionStore(ThirdPartyStore()) if name == "owned" else DESIGNS[name]()


@pytest.fixture
def kit() -> Kit:
    """Sessions and messages in few words."""
    return Kit()


@pytest.fixture(params=DESIGNS)
def design(request: pytest.FixtureRequest) -> Design:
    """The class of each store on tables; made with limits or a clock by the test itself."""
    return DESIGNS[request.param]


@pytest.fixture(params=[*DESIGNS, "owned"])
async def store(request: pytest.FixtureRequest, kit: Kit) -> AsyncIterator[AtomicSessionStore]:
    """Each store, open: all keep the ten methods' contract."""
    async with kit.make(request.param) as store:
        yield store


@pytest.fixture
async def full(design: Design) -> AsyncIterator[AtomicSessionStore]:
    """Each store that refuses no method, open."""
    async with design() as store:
        yield store


@pytest.fixture
def limits() -> type[StoreLimits]:
    """The limits of a store."""
    return StoreLimits
