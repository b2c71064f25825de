"""Reads wait for no writer, and see every write that was answered before."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    Session,
    SessionQuery,
    SQLiteSessionStore,
    StoreClosed,
    StoreUnavailable,
    ThreadSafeSessionStore,
)
from sessionkeeper.backends.sqlite import writer
from sessionkeeper.backends.sqlite.tables import SQLiteTables
from sessionkeeper.operations.command import StoreCommand

from tests.support.sessions import new_session, note

if TYPE_CHECKING:
    from tests.support.worker_processes import WorkerProcesses


class Reading(StoreCommand[Any], frozen=True, gc=False):
    """A command that says it only reads, and does what a test wants."""

    read_only = True
    statement: str

    def apply(self, tables: Any, /) -> Any:
        assert isinstance(tables, SQLiteTables)
        return tables._execute(self.statement).fetchall()


class Slow:
    """A change that signals its beginning and ends at a signal."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, session: Session) -> Session:
        self.begun.set()
        assert self.go.wait(1800)
        return session.model_copy(update={"tags": {"changed"}})


@pytest.fixture
async def store(file: Path) -> AsyncIterator[SQLiteSessionStore]:
    """With a session and a frame."""
    async with SQLiteSessionStore(file, durability="os", lock_timeout=60) as store:
        await store.create_session(new_session(principal="me"))
        await store.add_frame(note())
        yield store


@pytest.fixture
def slow() -> Slow:
    """A change that takes its time."""
    return Slow()


def reads(store: SQLiteSessionStore) -> list[Awaitable[object]]:
    """Every operation that only reads."""
    mine = store.for_principal("me")
    return [
        store.get_session("a"),
        store.get_sessions_batch(["a"]),
        store.list_sessions(),
        store.count_sessions(),
        store.get_frames("a"),
        store.read_frames("a"),
        store.count_frames("a"),
        store.find_sessions(SessionQuery()),
        store.statistics(),
        anext(store.watch_frames("a")),
        mine.get_session("a"),
        mine.list_sessions(),
        mine.count_sessions(),
    ]


async def test_reads_are_answered_while_another_process_holds_the_lock(
    store: SQLiteSessionStore, other_processes: WorkerProcesses
) -> None:
    """All reads are answered, though earlier writes wait."""
    holder = other_processes.start("hold")
    await asyncio.to_thread(other_processes.hear, holder, "ready")
    writing = [asyncio.ensure_future(store.add_frame(note(n))) for n in range(5)]
    while store.mailbox.depth:
        await asyncio.sleep(0)
    async with asyncio.timeout(300):  # far less than the lock is held
        await asyncio.gather(*reads(store))
    assert not any(task.done() for task in writing)
    other_processes.tell(holder)
    assert await asyncio.gather(*writing) == [2, 3, 4, 5, 6]


async def test_reads_are_answered_during_a_slow_write(
    store: SQLiteSessionStore, slow: Slow
) -> None:
    """They see the moment before it; tasks and threads alike."""
    facade = ThreadSafeSessionStore(store)
    changing = asyncio.ensure_future(store.modify_session("a", slow))
    await asyncio.to_thread(slow.begun.wait)
    async with asyncio.timeout(300):
        await asyncio.gather(*reads(store))
        assert (await asyncio.to_thread(facade.get_session, "a")).tags == set()
    assert not changing.done()
    slow.go.set()
    assert (await changing).tags == (await store.get_session("a")).tags == {"changed"}


async def test_a_read_sees_what_was_answered_before_it(store: SQLiteSessionStore) -> None:
    """This holds for writes of tasks and of threads."""
    facade = ThreadSafeSessionStore(store)

    def by_thread() -> None:
        for n in range(50):
            facade.add_frame(note(n, "b"))
            assert facade.count_frames("b") == n + 1

    await store.create_session(new_session("b"))
    thread = asyncio.ensure_future(asyncio.to_thread(by_thread))
    for n in range(1, 200):
        assert await store.add_frame(note(n)) == n + 1
        assert await store.count_frames("a") == n + 1
    await thread


async def test_a_caller_that_abandoned_a_write_reads_its_outcome(
    store: SQLiteSessionStore, slow: Slow, file: Path
) -> None:
    """The one thing a read waits for: else it might be told "not yet" of what then is done."""
    changing = asyncio.ensure_future(store.modify_session("a", slow))
    await asyncio.to_thread(slow.begun.wait)
    changing.cancel()
    await asyncio.wait({changing})
    looking = asyncio.ensure_future(store.get_session("a"))
    async with SQLiteSessionStore(file) as other:  # time enough for an answer
        for _ in range(100):
            assert (await other.get_session("a")).tags == set()
    assert not looking.done()
    slow.go.set()
    assert (await looking).tags == {"changed"}


async def test_the_readers_connection_cannot_write(store: SQLiteSessionStore) -> None:
    """SQLite itself refuses it on the connection that reads."""
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        await store._run(Reading("DELETE FROM frames"))
    assert await store.count_frames("a") == 1


async def test_a_bug_in_reading_ends_the_store(store: SQLiteSessionStore) -> None:
    """Everybody is answered, writers too; nobody has half a store."""
    bug: Any = None
    with pytest.raises(StoreClosed):
        await store._run(Reading(bug))
    for call in (store.add_frame(note()), store.get_session("a")):
        with pytest.raises(StoreClosed):
            await call
    assert not store.is_open


async def test_closing_answers_both_who_write_and_who_read(
    store: SQLiteSessionStore, slow: Slow
) -> None:
    """New calls are refused, and queued ones are finished."""
    changing = asyncio.ensure_future(store.modify_session("a", slow))
    await asyncio.to_thread(slow.begun.wait)
    adding = asyncio.ensure_future(store.add_frame(note()))
    reading = [asyncio.ensure_future(each) for each in reads(store)]
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(store.aclose())
    await asyncio.sleep(0)
    with pytest.raises(StoreClosed):
        await store.get_session("a")
    slow.go.set()
    await closing
    assert (await changing).tags == {"changed"}
    assert await adding == 2
    await asyncio.gather(*reading)


async def test_both_connections_close_without_leaving_the_log(file: Path) -> None:
    """The last of them brings it into the file; closed at once, each would think it is not."""
    for _ in range(30):
        async with SQLiteSessionStore(file) as store:
            await store.count_sessions()
        assert not Path(f"{file}-wal").exists()


async def test_overlapping_readers_do_not_stop_the_log_from_restarting(
    store: SQLiteSessionStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds it for a moment; together they must not hold it for ever."""
    monkeypatch.setattr(writer, "CHECKPOINT_AT", 128 * 1024)
    monkeypatch.setattr(writer, "MAX_LOG_BYTES", 512 * 1024)
    await store.create_session(new_session("b"))
    await store.add_frames("b", [note(id="b", size=1_000)] * 400)
    busy = True

    async def read() -> None:
        while busy:
            await store.get_frames("b")

    readers = [asyncio.ensure_future(read()) for _ in range(8)]
    largest, log = 0, Path(f"{file}-wal")
    for n in range(80):
        await store.add_frames("a", [note(n, size=1_000)] * 4)
        await store.trim_frames("a", up_to=4 * n)
        largest = max(largest, log.stat().st_size)
    busy = False
    await asyncio.gather(*readers)
    assert largest < 1536 * 1024


async def test_who_gave_up_on_a_write_reads_what_became_of_it(store: SQLiteSessionStore) -> None:
    """The owner had taken it, so it is applied; a read that comes then waits for that."""
    slow = Slow()
    writing = asyncio.ensure_future(store.modify_session("a", slow))
    await asyncio.to_thread(slow.begun.wait)
    writing.cancel()
    await asyncio.wait({writing})
    reading = asyncio.ensure_future(store.get_session("a"))
    for _ in range(50):  # time for a read that does not wait
        await asyncio.to_thread(threading.Event().is_set)
    slow.go.set()
    assert (await reading).tags == {"changed"}
