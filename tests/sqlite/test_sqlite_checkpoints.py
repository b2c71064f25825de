"""Checkpoints run alone: nobody commits meanwhile, in whatever process (SQLite's WAL-reset bug)."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import Durability, SQLiteSessionStore, StoreUnavailable
from sessionkeeper.backends.sqlite import checkpoints as copying
from sessionkeeper.backends.sqlite import opening, raw_connection, sqlite_version, writer
from sessionkeeper.backends.sqlite.raw_connection import connect

from tests.support.sessions import new_session, note

if TYPE_CHECKING:
    from tests.support.worker_processes import WorkerProcesses

CONNECT = "sessionkeeper.backends.sqlite.opening.sqlite3.connect"


class Checkpoints:
    """Counts the checkpoints that run in this process, and can hold one in its midst."""

    def __init__(self) -> None:
        self.running = self.maximum = self.ended = 0
        self.within = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self._lock = threading.Lock()

    def run(self, work: Any) -> Any:
        """Run one."""
        with self._lock:
            self.running += 1
            self.maximum = max(self.maximum, self.running)
        self.within.set()
        try:
            found = work()
            assert self.go_on.wait(1800)
            return found
        finally:
            with self._lock:
                self.running -= 1
                self.ended += 1


class Counting(sqlite3.Connection):
    """Tells of its checkpoints."""

    now = Checkpoints()

    def execute(self, statement: str, values: Any = (), /) -> sqlite3.Cursor:
        """As it says; a checkpoint is held as long as the test says."""
        run = super().execute
        if not statement.startswith("PRAGMA wal_checkpoint"):
            return run(statement, values)
        found: sqlite3.Cursor = Counting.now.run(lambda: run(statement, values))
        return found


@pytest.fixture
def checkpoints(monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkpoints]:
    """Those of the test's process."""
    Counting.now = found = Checkpoints()
    real = sqlite3.connect
    monkeypatch.setattr(CONNECT, lambda *rest, **more: real(*rest, factory=Counting, **more))
    yield found
    found.go_on.set()


async def held(checkpoints: Checkpoints) -> None:
    """Wait until a checkpoint is in its midst."""
    async with asyncio.timeout(300):
        while not checkpoints.within.is_set():
            await asyncio.sleep(0.001)


async def test_no_two_checkpoints_overlap_and_nobody_commits_meanwhile(
    file: Path, other_processes: WorkerProcesses, checkpoints: Checkpoints
) -> None:
    """While one is under way, another process can neither make one nor commit."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
        await store.add_frames("a", [note(n, size=1000) for n in range(50)])
        checkpoints.go_on.clear()
        working = asyncio.create_task(store.checkpoint())
        await held(checkpoints)
        other = other_processes.start("checkpoint")
        assert await asyncio.to_thread(other_processes.hear, other, "checkpoint", "refused") == (
            "refused checkpoint"
        )
        assert await asyncio.to_thread(other_processes.hear, other, "write", "refused") == (
            "refused write"
        )
        checkpoints.go_on.set()
        assert await working == 0
        other_processes.tell(other)
        assert await asyncio.to_thread(other_processes.hear, other, "checkpoint", "refused") == (
            "checkpoint 0"
        )
        assert (
            await asyncio.to_thread(other_processes.hear, other, "write", "refused") == "write 51"
        )


async def test_the_owners_checkpoints_hold_the_write_lock(
    file: Path, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Automatic checkpoints between batches and requested ones exclude each other."""
    monkeypatch.setattr(writer, "CHECKPOINT_AT", 1)
    checkpoints.go_on.clear()
    async with SQLiteSessionStore(file) as store, SQLiteSessionStore(file, lock_timeout=0.2) as two:
        await store.create_session(new_session())  # its owner brings the log in afterwards
        await held(checkpoints)
        with pytest.raises(StoreUnavailable, match="holds the file's lock"):
            await two.checkpoint()
        with pytest.raises(StoreUnavailable, match="holds the file's lock"):
            await two.add_frame(note())
        outside = sqlite3.connect(file, timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            outside.execute("BEGIN IMMEDIATE")
        outside.close()
        checkpoints.go_on.set()
    assert checkpoints.maximum == 1
    assert checkpoints.ended >= 1


async def test_many_checkpoints_of_two_stores_are_one_after_the_other(
    file: Path, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However they meet."""
    monkeypatch.setattr(writer, "CHECKPOINT_AT", 20_000)
    async with SQLiteSessionStore(file) as one, SQLiteSessionStore(file) as two:
        for store, key in ((one, "a"), (two, "b")):
            await store.create_session(new_session(key))

        async def write(store: SQLiteSessionStore, id: str) -> None:
            for n in range(40):
                await store.add_frame(note(n, id, size=4000))
                await store.checkpoint()

        await asyncio.gather(write(one, "a"), write(two, "b"))
        assert await one.check() == []
        assert [await two.count_frames(key) for key in "ab"] == [40, 40]
    assert checkpoints.maximum == 1
    assert checkpoints.ended >= 80


def test_no_connection_makes_checkpoints_of_its_own(file: Path) -> None:
    """SQLite's default comes inside a commit, while others commit."""
    opening.open_file(str(file), Durability.DISK).close()
    for mode in ("rw", "ro"):
        connection = connect(str(file), mode)
        assert connection.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
        connection.close()


@pytest.mark.parametrize(
    ("version", "hit"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
    ],
)
def test_versions_with_the_wal_reset_bug(version: tuple[int, ...], hit: bool) -> None:
    """The versions that sqlite.org lists."""
    assert sqlite_version.has_wal_reset_bug(version) is hit


async def test_the_sqlite_version_is_warned_about_once_and_in_the_statistics(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that opens a thousand stores logs one line."""
    monkeypatch.setattr(sqlite_version, "_first", threading.Lock())
    hit = sqlite_version.has_wal_reset_bug(sqlite3.sqlite_version_info)
    with caplog.at_level(logging.WARNING, "sessionkeeper"):
        for _ in range(3):
            async with SQLiteSessionStore(file) as store:
                found = (await store.statistics()).file
    assert found is not None
    assert found.library == sqlite3.sqlite_version
    assert [each.getMessage() for each in caplog.records] == list(found.warnings)
    assert len(found.warnings) == int(hit)


class Moments:
    """Stands in for the module `time`: only sleeping takes time, and then something happens."""

    def __init__(self, happens: Callable[[], object] = lambda: None, after: int = 0) -> None:
        self.now, self.slept = 100.0, [0.0]
        self._happens, self._after = happens, after

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        if len(self.slept) - 1 == self._after:
            self._happens()


def test_copying_waits_a_moment_for_readers(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the log is longer than it may be, and a reader needs it; then it gives up."""
    opening.open_file(str(file), Durability.OS).close()
    with closing(connect(str(file))) as writer, closing(connect(str(file))) as reader:
        writer.execute("CREATE TABLE extra (n)")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM extra").fetchall()
        writer.execute("INSERT INTO extra VALUES (1)")
        moments = Moments()
        monkeypatch.setattr(copying, "time", moments)
        assert copying.copy_log(str(file), 1_000) > 0
        assert moments.slept == [0.0], "the log may be that long"
        assert copying.copy_log(str(file), 0) > 0
        assert sum(moments.slept) == pytest.approx(raw_connection.BUSY_SLICE, abs=0.003)
        moments = Moments(lambda: reader.execute("ROLLBACK"), after=3)
        monkeypatch.setattr(copying, "time", moments)
        assert copying.copy_log(str(file), 0) == 0
        assert len(moments.slept) == 1 + 3 + 1
        # One more wait, for readers that began before all was copied.
        assert moments.slept[-1] == pytest.approx(raw_connection.BUSY_SLICE / 2)
