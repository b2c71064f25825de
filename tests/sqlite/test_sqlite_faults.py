"""Each call to SQLite fails once: refused or unknown, never wrong (Guarantees 4.1 and 7)."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    OutcomeUnknown,
    SessionError,
    SQLiteSessionStore,
    StoreClosed,
    StoreUnavailable,
)

from tests.support.sessions import new_session, note
from tests.support.waiting import until

Step: TypeAlias = Callable[[AtomicSessionStore], Awaitable[object]]

PASSED = datetime(2020, 1, 1, tzinfo=UTC)
CONNECT = "sessionkeeper.backends.sqlite.opening.sqlite3.connect"


class Fault:
    """Fails one call to SQLite, or one kind of statement from then on."""

    def __init__(self) -> None:
        self.left = -1
        self.code = 0
        self.done = self.afterwards = False
        self.statement = ""

    def arm(self, code: int, *, left: int = 0, statement: str = "", after: bool = False) -> None:
        """Let so many calls pass, of statements that begin so, and fail the next."""
        self.code, self.statement = code, statement
        self.done, self.afterwards = False, after
        self.left = left  # last: a thread between batches may look at any time

    def disarm(self) -> None:
        """Fail nothing any more."""
        self.left = -1

    def strike(self, statement: str, run: Callable[[], Any]) -> Any:
        """Run a call, or fail it."""
        if self.left < 0 or not statement.startswith(self.statement) or statement == "ROLLBACK":
            return run()
        self.left -= 1
        if self.left >= 0:
            return run()
        self.done = True
        if self.afterwards:
            run()
        error = sqlite3.OperationalError("injected")
        error.sqlite_errorcode = self.code
        raise error


class Failing(sqlite3.Connection):
    """A connection whose calls can be made to fail, by the test that opened it."""

    now = Fault()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Its own: a thread that an earlier test has left may still be at work.
        self.fault = Failing.now

    def execute(self, statement: str, values: Any = (), /) -> sqlite3.Cursor:
        """As it says, unless it fails."""
        run = super().execute
        found: sqlite3.Cursor = self.fault.strike(statement, lambda: run(statement, values))
        return found

    def executemany(self, statement: str, values: Any, /) -> sqlite3.Cursor:
        """As it says, unless it fails."""
        run = super().executemany
        found: sqlite3.Cursor = self.fault.strike(statement, lambda: run(statement, values))
        return found


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fault]:
    """Stores opened in this test use failing connections."""
    connect = sqlite3.connect
    monkeypatch.setattr(CONNECT, lambda *a, **k: connect(*a, **k, factory=Failing))
    Failing.now = Fault()
    yield Failing.now
    Failing.now.disarm()


def tag(name: str) -> Step:
    return lambda store: store.modify_session("a", lambda s: s.model_copy(update={"tags": {name}}))


STEPS: list[Step] = [
    lambda store: store.create_session(new_session("b", principal="me")),
    lambda store: store.add_frame(note(1)),
    tag("one"),
    lambda store: store.add_frames("a", [note(n) for n in (2, 3, 4)]),
    lambda store: store.add_frame(note(5, "b")),
    lambda store: store.trim_frames("a", up_to=2),
    lambda store: store.remove_frames("a", [3]),
    lambda store: store.read_frames("a", after=1),
    lambda store: store.expire_sessions(idle=0, limit=1),
    lambda store: store.put_session(new_session("a", expires_at=PASSED)),
    lambda store: store.expire_sessions(),
    lambda store: store.put_session(new_session("a", principal="you")),
    lambda store: store.delete_session("b"),
    tag("two"),
    lambda store: store.add_frames("a", [note(n) for n in range(40)]),
    lambda store: store.statistics(),
]


async def held(store: AtomicSessionStore) -> object:
    """The content of a store, without times and revisions."""
    return [
        (s.id, s.state, sorted(s.tags), s.frame_count, s.last_seq)
        for s in await store.list_sessions()
    ] + [
        [frame.envelope.message for frame in await store.read_frames(s.id)]
        for s in await store.list_sessions()
    ]


async def outcome(step: Step, store: AtomicSessionStore) -> type[Exception] | None:
    """The type of the error that a caller gets, or None."""
    try:
        await step(store)
    except (SessionError, ValueError) as error:  # a number whose append was refused
        return type(error)
    return None


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "code",
    [
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_INTERRUPT,
    ],
)
async def test_every_call_fails_once(tmp_path: Path, fault: Fault, code: int, every: int) -> None:
    """For every k until none fails any more; the answer of each step stays true."""
    k = 0
    while True:
        file = tmp_path / f"store-{k}.db"
        async with ActorSessionStore() as with_it, ActorSessionStore() as without:
            store = await SQLiteSessionStore(file, durability="os", lock_timeout=0).open()
            models = [with_it, without]
            for each in (store, *models):
                await each.create_session(new_session("a"))
            fault.arm(code, left=k)
            unknown = False
            for step in STEPS:
                told = await outcome(step, store)
                if told in (StoreUnavailable, StoreClosed):
                    continue
                if told is OutcomeUnknown:
                    assert not unknown
                    unknown = True
                    await step(with_it)
                    models = [without]  # as the store that goes on sees it
                    continue
                for each in models:
                    assert await outcome(step, each) == told
            struck = fault.done
            fault.disarm()
            assert await held(store)  # reads go on, whatever happened
            if store.write_failure is None:
                told = await outcome(STEPS[1], store)
                for each in models:
                    assert await outcome(STEPS[1], each) == told
            else:
                with pytest.raises(StoreUnavailable, match="closed for writing"):
                    await store.add_frame(note(9))
            await store.aclose()
            async with SQLiteSessionStore(file) as again:
                possible = [await held(each) for each in (without, with_it)]
                assert await held(again) in (possible if unknown else possible[:1])
                assert await again.check() == []
        if not struck:
            break
        k += every
    assert k > 50


@pytest.mark.parametrize("after", [False, True])
async def test_a_failed_sync_is_never_repeated(file: Path, fault: Fault, after: bool) -> None:
    """The batch may be found after a crash, so nobody knows; reads go on, writing is over."""
    store = await SQLiteSessionStore(file).open()
    await store.create_session(new_session())
    fault.arm(sqlite3.SQLITE_IOERR_FSYNC, statement="COMMIT", after=after)
    with pytest.raises(OutcomeUnknown) as told:
        await store.add_frame(note(1))
    assert isinstance(told.value.__cause__, sqlite3.OperationalError)
    assert store.write_failure == "the disk failed"
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="closed for writing: the disk failed"):
            await store.add_frame(note(2))
    assert await store.count_frames("a") == int(after)
    await store.aclose()
    async with SQLiteSessionStore(file) as again:
        assert await again.add_frame(note(3)) == 1 + after


async def test_a_full_disk_refuses_the_batch_and_the_store_goes_on(
    file: Path, fault: Fault
) -> None:
    """Everything in the batch is refused, nothing was acknowledged."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
        for statement in ("INSERT INTO frames", "COMMIT"):
            fault.arm(sqlite3.SQLITE_FULL, statement=statement)
            with pytest.raises(StoreUnavailable, match="the disk is full"):
                await store.add_frame(note(1))
            assert store.write_failure is None
            assert await store.count_frames("a") == 0
            # After the collection that follows a rollback: its commit is not meant here.
            await store.touch_session("a")
        assert await store.add_frame(note(2)) == 1


async def test_a_checkpoint_that_fails_closes_the_store_for_writing(
    file: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own checkpoint would hide it in a commit that succeeds, and try again."""
    monkeypatch.setattr("sessionkeeper.backends.sqlite.writer.CHECKPOINT_AT", 1)
    async with SQLiteSessionStore(file) as store:
        fault.arm(sqlite3.SQLITE_IOERR_FSYNC, statement="PRAGMA wal_checkpoint")
        await store.create_session(new_session())
        for _ in until("closed for writing"):
            if store.write_failure:
                break
            await store.get_session("a")
        with pytest.raises(StoreUnavailable, match="closed for writing"):
            await store.add_frame(note())


@pytest.mark.parametrize("which", ["", "-wal", "-shm"])
async def test_a_file_removed_underneath_is_noticed(file: Path, which: str) -> None:
    """The system would go on writing to a file nobody finds again."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
        Path(f"{file}{which}").unlink()
        with pytest.raises(StoreUnavailable, match=f"removed or replaced.*store.db{which}: it is"):
            await store.add_frame(note())
        with pytest.raises(StoreUnavailable, match="removed or replaced"):
            await store.get_session("a")


async def test_a_newer_version_coming_underneath_is_noticed(file: Path) -> None:
    """Another program brought the file to a version this one does not know."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
        with sqlite3.connect(file) as connection:
            connection.execute("UPDATE meta SET version = 9")
        connection.close()
        with pytest.raises(StoreUnavailable, match="of version 9 now"):
            await store.add_frame(note())
