"""Every store there is, a third party's written on ten methods only, and clocks set by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextvars import Context
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    Clock,
    Frame,
    LockedSessionStore,
    MessageEnvelope,
    OwnedSessionStore,
    PlainSessionStore,
    RevisionConflict,
    Session,
    SessionClosed,
    SessionEvent,
    SessionExists,
    SessionNotFound,
    SessionState,
    SessionStore,
    SQLiteSessionStore,
    StoreLimits,
)
from sessionkeeper.backends.memory import MemoryTables
from sessionkeeper.interface.wakeups import Wakeups
from sessionkeeper.stores.facade import CommandStore

if TYPE_CHECKING:
    from tests.conftest import Relay


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


Design: TypeAlias = Callable[..., AtomicSessionStore]

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

    def wait(self, seconds: float) -> None:
        """Let time go by on both clocks."""
        self.wall += seconds
        self.steady += seconds


class Ear:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[SessionEvent] = []
        self.contexts: list[Context] = []

    def __call__(self, event: SessionEvent, context: Context) -> None:
        self.events.append(event)
        self.contexts.append(context)

    def told(self) -> list[str]:
        """What was heard since it was asked last, in few words."""
        told = [f"{event.kind} {event.session.id}" for event in self.events]
        self.events.clear()
        return told


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


class Desk:
    """What a test of these operations needs in every second line."""

    def dial(self) -> Dial:
        """Clocks set by hand."""
        return Dial()

    def session(self, id: str = "a", **fields: object) -> Session:
        """A session to be created."""
        return Session.new(transport_type="stdio", id=id, **fields)

    def note(self, n: int = 0, id: str = "a") -> MessageEnvelope:
        """A numbered notification."""
        message = b'{"jsonrpc":"2.0","method":"note","params":[%d]}' % n
        return MessageEnvelope.of(id, message, direction="client-to-server")

    def ear(self, store: AtomicSessionStore) -> Ear:
        """A listener that hears what happens in a store from now on."""
        ear = Ear()
        store.subscribe(ear)
        return ear

    async def fill(self, store: AtomicSessionStore, count: int, id: str = "a") -> None:
        """Append notes, numbered on from the last."""
        last = (await store.get_session(id)).last_seq
        for n in range(last + 1, last + count + 1):
            await store.add_frame(self.note(n, id))

    async def close(self, store: AtomicSessionStore, id: str = "a") -> Session:
        """End a session."""
        closed = {"state": SessionState.CLOSED}
        return await store.modify_session(id, lambda s: s.model_copy(update=closed))

    async def seqs(self, watcher: AsyncIterator[Frame]) -> list[int]:
        """Watch to the end; each frame must be the one of its number."""
        seen: list[int] = []
        async for frame in watcher:
            assert frame.envelope.message.endswith(b"[%d]}" % frame.seq)
            seen.append(frame.seq)
        return seen

    async def turns(self, n: int = 20) -> None:
        """Let the loop turn, so that whoever can go on does."""
        for _ in range(n):
            await asyncio.sleep(0)

    async def looked(self, store: AtomicSessionStore) -> None:
        """Let whoever watches look until it waits: its questions stand in line before these."""
        for _ in range(3):
            await self.turns()
            await store.count_sessions()
        await self.turns()

    def wakeups(self, store: AtomicSessionStore) -> Wakeups:
        """Who watches a store."""
        if isinstance(store, OwnedSessionStore):
            return store._notes.wakeups
        assert isinstance(store, CommandStore)
        return store._wakeups

    def tables(self, store: AtomicSessionStore) -> MemoryTables:
        """What a store holds its sessions in."""
        if isinstance(store, ActorSessionStore):
            runner: Any = store._actor._runner
            if isinstance(store, SQLiteSessionStore):
                return cast("MemoryTables", runner._storage._tables)
            return cast("MemoryTables", runner._state)
        assert isinstance(store, PlainSessionStore)
        return store._tables


@pytest.fixture
def desk() -> Desk:
    """Sessions, messages and clocks in few words."""
    return Desk()


@pytest.fixture
def kit() -> Kit:
    """Sessions and messages in few words."""
    return Kit()


@pytest.fixture(params=DESIGNS)
def design(request: pytest.FixtureRequest, only_ten: Callable[[SessionStore], Relay]) -> Design:
    """How each store is made, with limits or a clock by the test itself.

    The designs that refuse nothing; "owned" where a test asks for it.
    """

    def owned(*, clock: Clock | None = None) -> OwnedSessionStore:
        return OwnedSessionStore(only_ten(PlainSessionStore(clock=clock)), clock=clock)

    return owned if request.param == "owned" else DESIGNS[request.param]


@pytest.fixture
async def store(design: Design) -> AsyncIterator[AtomicSessionStore]:
    """Each store, open."""
    async with design() as store:
        yield store


@pytest.fixture(params=[*DESIGNS, "owned"])
async def any_store(request: pytest.FixtureRequest, kit: Kit) -> AsyncIterator[AtomicSessionStore]:
    """Each store, a third party's too, open: all keep the ten methods' contract."""
    async with kit.make(request.param) as store:
        yield store


@pytest.fixture
def limits() -> type[StoreLimits]:
    """The limits of a store."""
    return StoreLimits
