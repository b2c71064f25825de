"""A file system whose k-th call fails, under the whole store; and the judge of what it says then.

Locks in shared memory do not pass through what apsw lets one replace, so a lock that is held is a
real one, taken by another connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import apsw
import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    MessageEnvelope,
    OutcomeUnknown,
    Session,
    SessionError,
    SQLiteSessionStore,
    StoreClosed,
    StoreUnavailable,
)
from sessionkeeper.backends.sqlite import ledger, opening

if TYPE_CHECKING:
    from tests.durability.conftest import Power

Step: TypeAlias = Callable[[AtomicSessionStore], Awaitable[Any]]

ANY = frozenset({"read", "size", "write", "truncate", "sync"})
KINDS: dict[str, tuple[frozenset[str], int]] = {
    "read": (frozenset({"read", "size"}), apsw.SQLITE_IOERR_READ),
    "write": (frozenset({"write", "truncate"}), apsw.SQLITE_IOERR_WRITE),
    "full": (frozenset({"write"}), apsw.SQLITE_FULL),
    "sync": (frozenset({"sync"}), apsw.SQLITE_IOERR_FSYNC),
    "corrupt": (frozenset({"read"}), apsw.SQLITE_CORRUPT),
    "interrupted": (ANY, apsw.SQLITE_OK),
    "locked": (frozenset({"statement"}), apsw.SQLITE_OK),
    "busy": (frozenset({"lock"}), apsw.SQLITE_BUSY),
    "gone": (frozenset({"open"}), apsw.SQLITE_CANTOPEN),
}
"""What fails, and how; those that are OK do something else than fail."""


class Faulty(apsw.VFS):
    """SQLite's own file system, one call of which fails, or all from one on."""

    NAME = "faulty"

    def __init__(self) -> None:
        super().__init__(self.NAME, "")
        self.left = -1
        self.struck = 0
        self.armed = False
        self.instead: Callable[[], object] = lambda: None
        """What is done where nothing fails."""

    def arm(self, kind: str, k: int, *, lasting: bool) -> None:
        """Let k calls pass and fail the next, or all that follow."""
        self.calls, self.code = KINDS[kind]
        self.left, self.lasting, self.struck, self.armed = k, lasting, 0, True

    def disarm(self) -> None:
        """Fail nothing any more."""
        self.left, self.armed = -1, False
        self.instead = lambda: None

    def strike(self, call: str) -> None:
        """Fail a call, or do something else before it."""
        if self.left < 0 or call not in self.calls:
            return
        if self.left:
            self.left -= 1
            return
        self.struck += 1
        if not self.lasting:
            self.left = -1
        if self.code != apsw.SQLITE_OK:
            raise apsw.exception_for(self.code)
        self.instead()

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802 - SQLite's name
        """Open a file."""
        self.strike("open")
        return _File(self, name, flags)


class _File(apsw.VFSFile):
    def __init__(self, faulty: Faulty, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._strike = faulty.strike

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - SQLite's name
        self._strike("read")
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._strike("write")
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        self._strike("truncate")
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._strike("sync")  # what is left out else costs time, and nothing is cut off here

    def xFileSize(self) -> int:  # noqa: N802 - SQLite's name
        self._strike("size")
        return super().xFileSize()

    def xLock(self, level: int) -> None:  # noqa: N802 - SQLite's name
        self._strike("lock")
        super().xLock(level)


def note(n: int, id: str = "a", size: int = 0) -> MessageEnvelope:
    message = b'{"jsonrpc":"2.0","method":"note","params":[%d]}' % n
    return MessageEnvelope.of(id, message.ljust(size), direction="client-to-server")


def session(id: str) -> Session:
    return Session.new(transport_type="stdio", id=id, principal=f"of {id}")


def tag(name: str) -> Step:
    return lambda store: store.modify_session(
        "a", lambda s: s.model_copy(update={"tags": {name}, "metadata": {name: "x" * 4_000}})
    )


STEPS: list[Step] = [
    lambda store: store.create_session(session("b")),
    lambda store: store.add_frames("a", [note(n, size=1_500) for n in range(6)]),
    lambda store: store.add_frame(note(7, "b")),
    tag("one"),
    lambda store: store.read_frames("a", after=1),
    lambda store: store.trim_frames("a", up_to=2),
    lambda store: store.delete_session("b"),
    lambda store: store.add_frames("a", [note(n, size=9_000) for n in (8, 9)]),
    lambda store: store.list_sessions(),
    tag("two"),
]
LAST: Step = lambda store: store.add_frame(note(10))  # noqa: E731


def plain(value: Any) -> Any:
    """What two stores must agree on: all but times and revisions."""
    if isinstance(value, Session):
        return value.id, value.state, sorted(value.tags), value.frame_count, value.last_seq
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.envelope.message if hasattr(value, "envelope") else value


async def held(store: AtomicSessionStore) -> object:
    """What a store holds."""
    sessions = await store.list_sessions()
    return plain(sessions), [plain(await store.read_frames(each.id)) for each in sessions]


async def outcome(step: Step, store: AtomicSessionStore) -> Any:
    """What a caller is told, or given."""
    try:
        return plain(await step(store))
    except SessionError as error:
        return type(error)


async def agreeing(
    models: list[ActorSessionStore], step: Step, told: Any
) -> list[ActorSessionStore]:
    """Those of the models that answer the same; after an unknown outcome there are two."""
    found = [each for each in models if await outcome(step, each) == told]
    assert found
    return found


class Trial:
    """Runs the steps with one fault, and judges what was said of each."""

    def __init__(self, folder: Path, faulty: Faulty, connections: list[Any], stride: int) -> None:
        self.folder, self.faulty, self._connections = folder, faulty, connections
        self.stride = stride
        self.connection: Any = None
        """The class of the store's connections."""
        self.told: set[Any] = set()
        """All errors that were answered."""

    async def strikes(self, kind: str, *, lasting: bool = False) -> int:
        """Fail each k-th call until none fails any more; return the first k that does not."""
        k = 0
        while await self.run(kind, k, lasting=lasting):
            k += self.stride
        return k

    async def run(self, kind: str, k: int, *, lasting: bool) -> int:
        """Let the k-th call fail; return how many did."""
        file, faulty = self.folder / f"{kind}-{k}.db", self.faulty
        async with ActorSessionStore() as with_it, ActorSessionStore() as without:
            store = await SQLiteSessionStore(file, lock_timeout=0).open()
            models = [with_it, without]
            for each in (store, *models):
                await each.create_session(session("a"))
            lock = _Lock(file)
            other = {"locked": lock.take, "interrupted": self._connections[-1].give_up}
            faulty.instead = other.get(kind, faulty.instead)
            faulty.arm(kind, k, lasting=lasting)
            unknown = False
            for step in STEPS:
                told = await outcome(step, store)
                lock.let_go()
                if told in (StoreUnavailable, StoreClosed, OutcomeUnknown):
                    self.told.add(told)
                    assert faulty.struck
                if told is OutcomeUnknown:
                    assert not unknown
                    assert store.write_failure is not None
                    unknown = True
                    await step(with_it)
                elif told not in (StoreUnavailable, StoreClosed):  # those have no effect
                    models = await agreeing(models, step, told)
            faulty.disarm()
            lock.let_go()
            await agreeing(models, held, await held(store))  # reads go on, whatever happened
            if store.write_failure is None:
                await agreeing(models, LAST, await outcome(LAST, store))
            else:
                with pytest.raises(StoreUnavailable, match="closed for writing"):
                    await LAST(store)
            if kind in ("full", "locked", "interrupted"):
                assert store.write_failure is None
            if kind in ("sync", "write") and faulty.struck:
                assert store.write_failure == "the disk failed"
            await store.aclose()
            async with self.by_another(file) as again:
                possible = [await held(each) for each in (without, with_it)]
                assert await held(again) in (possible if unknown else possible[:1])
                assert await again.check() == []
        for each in self.folder.iterdir():
            each.unlink()
        return faulty.struck

    @asynccontextmanager
    async def by_another(self, file: Path) -> AsyncIterator[SQLiteSessionStore]:
        """Open a file that nobody has open now with the SQLite of the standard library."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sqlite3, "connect", CONNECT)
            async with SQLiteSessionStore(file) as store:
                yield store


class _Lock:
    """The file's write lock, in the hands of somebody else."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._holder: apsw.Connection | None = None

    def take(self) -> None:
        """Take it, if nobody has it."""
        if self._holder is None:
            holder = apsw.Connection(str(self._file))
            try:
                holder.execute("BEGIN IMMEDIATE")
                self._holder = holder
            except apsw.BusyError:
                holder.close()

    def let_go(self) -> None:
        """Let it go."""
        if self._holder is not None:
            self._holder.close()
            self._holder = None


CONNECT = sqlite3.connect


@pytest.fixture
def trial(
    power: Power, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> Iterator[Trial]:
    """Stores opened in this test are on a file system that can fail."""
    folder = tmp_path / "faulty"
    folder.mkdir()
    faulty, connections = Faulty(), list[Any]()

    class Statements(power.Connection):  # type: ignore[name-defined,misc]  # a class of the fixture
        def give_up(self) -> None:
            """Have the statement that runs stop at its next step."""
            self._connection.set_progress_handler(self._stop, 1)

        def _stop(self) -> bool:
            self._connection.set_progress_handler(None)
            return faulty.armed

        def execute(self, statement: str, values: Any = ()) -> Any:
            if statement != "ROLLBACK":
                faulty.strike("statement")
            return super().execute(statement, values)

    def connect(path: str, **_: Any) -> Any:
        connections.append(Statements(Faulty.NAME, path, lambda _: None))
        return connections[-1]

    monkeypatch.setattr(sqlite3, "connect", connect)
    monkeypatch.setattr(ledger, "CHECKPOINT_AT", 60_000)
    monkeypatch.setattr(opening, "BUSY_SLICE", 0.001)
    # What is tested here happens on the store's own thread, whatever the loop.
    stride = 1 if pytestconfig.getoption("--loop") == "asyncio" else 7
    found = Trial(folder, faulty, connections, stride)
    found.connection = Statements
    yield found
    faulty.unregister()
