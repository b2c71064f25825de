"""The k-th call to the file system fails, for every k: refused or unknown, never wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
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
from sessionkeeper.backends.sqlite.writer import SQLiteWriter

if TYPE_CHECKING:
    from tests.durability.vfs.conftest import Faulty

CONNECT = sqlite3.connect
Step: TypeAlias = Callable[[AtomicSessionStore], Awaitable[Any]]


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
    tag("two"),
    lambda store: store.list_sessions(),
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

    def __init__(self, folder: Path, faulty: Faulty, stride: int = 1) -> None:
        self.folder, self.faulty, self.stride = folder / "faulty", faulty, stride
        self.folder.mkdir()
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
            other = {"locked": lock.take, "interrupted": faulty.give_up}
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
            # Behind what the writer's thread still had to tidy, which may have been struck as well.
            await outcome(lambda store: store.touch_session("a"), store)
            # Reads go on, whatever happened.
            await agreeing(models, held, await outcome(held, store))
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
        for left in self.folder.iterdir():
            left.unlink()
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


ANSWERS: dict[str, set[Any]] = {
    "read": {StoreUnavailable, OutcomeUnknown},
    "write": {StoreUnavailable, OutcomeUnknown},
    "full": {StoreUnavailable},
    "sync": {StoreUnavailable, OutcomeUnknown},
    "corrupt": {StoreUnavailable},
    "interrupted": {StoreClosed},
    "locked": {StoreUnavailable},
}


LASTING = ("read", "write", "full", "sync", "corrupt")
CASES = [(kind, False) for kind in ANSWERS] + [(kind, True) for kind in LASTING]


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize(("kind", "lasting"), CASES)
async def test_every_call_of_the_file_system_fails(
    tmp_path: Path, faulty: Faulty, kind: str, lasting: bool, every: int
) -> None:
    """Once, or from then on; what was said of each step is true, then and when it is reopened."""
    if kind == "locked":
        every = 1  # only the few calls between two transactions let somebody else have the lock
    trial = Trial(tmp_path, faulty, every)
    assert await trial.strikes(kind, lasting=lasting) > 3
    assert trial.told <= ANSWERS[kind]
    assert trial.told


async def late(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers before the commit, which comes when the next batch begins."""
    begin, close = SQLiteWriter.begin, SQLiteWriter.close

    def commit(self: Any) -> None:
        self._tables.save()
        self._tables.committed()

    def first(then: Any) -> Any:
        def method(self: Any, *arguments: Any) -> Any:
            if self._connection is not None and self._connection.in_transaction:
                self._execute("COMMIT")
            return then(self, *arguments)

        return method

    monkeypatch.setattr(SQLiteWriter, "commit", commit)
    monkeypatch.setattr(SQLiteWriter, "begin", first(begin))
    monkeypatch.setattr(SQLiteWriter, "close", first(close))
    monkeypatch.setattr(SQLiteWriter, "tidy", lambda self: None)
    await trial.strikes("sync")


async def deaf(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Syncs again when a sync has failed, and is told that all is well."""
    execute = trial.faulty.statements.execute

    def again(self: Any, statement: str, values: Any = ()) -> Any:
        try:
            return execute(self, statement, values)
        except sqlite3.Error as error:
            if statement == "COMMIT" and error.sqlite_errorcode == sqlite3.SQLITE_IOERR_FSYNC:
                return None
            raise

    monkeypatch.setattr(trial.faulty.statements, "execute", again)
    await trial.strikes("sync")


async def hopeful(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes on after a failure."""
    monkeypatch.setattr(SQLiteWriter, "stop_writing", lambda self, reason: None)
    await trial.strikes("write")


@pytest.mark.parametrize("flaw", [late, deaf, hopeful])
async def test_the_harness_finds_a_wrong_writer(
    tmp_path: Path, faulty: Faulty, monkeypatch: pytest.MonkeyPatch, flaw: Any
) -> None:
    """One that answers too early, one that hides a failed sync, one that writes on."""
    with pytest.raises(AssertionError):
        await flaw(Trial(tmp_path, faulty), monkeypatch)
