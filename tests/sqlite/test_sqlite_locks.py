"""While another process holds the file's lock: who waits, how long, and the answers."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import SQLiteSessionStore, StoreClosed, StoreUnavailable
from sessionkeeper.backends.sqlite import opening

from tests.support.sessions import new_session, note

if TYPE_CHECKING:
    from tests.support.worker_processes import WorkerProcesses


async def test_a_lock_held_elsewhere_never_holds_the_loop(
    file: Path, other_processes: WorkerProcesses
) -> None:
    """Writes wait on the database's thread; reads do not wait at all.

    The loop itself has the lock let go, a second and a thousand turns later: if anything of the
    store held up the loop until then, this would never end. How long a turn takes at most is
    measured, not tested: `perf/sqlite_stall.py`.
    """
    async with SQLiteSessionStore(file, lock_timeout=60) as store:
        await store.create_session(new_session())
        holder = other_processes.start("hold")
        await asyncio.to_thread(other_processes.hear, holder, "ready")
        assert (await store.get_session("a")).frame_count == 0
        writing = [asyncio.create_task(store.add_frame(note(n))) for n in range(5)]
        over = asyncio.get_running_loop().time() + 1.0
        turns = 0
        while turns < 1_000 or asyncio.get_running_loop().time() < over:
            await asyncio.sleep(0)
            turns += 1
        assert not any(task.done() for task in writing)
        other_processes.tell(holder)
        assert await asyncio.gather(*writing) == [1, 2, 3, 4, 5]


async def test_opening_does_not_wait_for_a_lock_held_elsewhere(
    file: Path, other_processes: WorkerProcesses
) -> None:
    """The holder of the lock has synced the log; reads work immediately."""
    async with SQLiteSessionStore(file) as first:
        await first.create_session(new_session())
        holder = other_processes.start("hold")
        await asyncio.to_thread(other_processes.hear, holder, "ready")
        async with SQLiteSessionStore(file) as second:  # or the test would never end
            assert await second.count_sessions() == 1
        other_processes.tell(holder)
        await asyncio.to_thread(other_processes.hear, holder, "let go")


async def test_a_lock_held_too_long_is_unavailable(
    file: Path, other_processes: WorkerProcesses
) -> None:
    """With the time waited; nothing was applied, and the store goes on.

    A store with more time waits on, though it began to wait before.
    """
    async with (
        SQLiteSessionStore(file, lock_timeout=0.2) as store,
        SQLiteSessionStore(file, lock_timeout=3600) as patient,
    ):
        await store.create_session(new_session())
        holder = other_processes.start("hold")
        await asyncio.to_thread(other_processes.hear, holder, "ready")
        waiting = asyncio.create_task(patient.add_frame(note()))
        await asyncio.sleep(0.1)
        with pytest.raises(StoreUnavailable, match=r"lock \(waited \d") as refused:
            await store.add_frame(note())
        assert refused.value.waited is not None
        assert refused.value.waited >= 0.2
        assert not waiting.done()
        assert await store.count_frames("a") == 0
        other_processes.tell(holder)
        await asyncio.to_thread(other_processes.hear, holder, "let go")
        assert await waiting == 1
        assert await store.add_frame(note()) == 2


async def test_closing_does_not_wait_for_the_lock(
    file: Path, other_processes: WorkerProcesses
) -> None:
    """`aclose(timeout=…)` answers waiting calls with `StoreClosed`: certainly not applied."""
    store = await SQLiteSessionStore(file, lock_timeout=60).open()
    await store.create_session(new_session())
    holder = other_processes.start("hold")
    await asyncio.to_thread(other_processes.hear, holder, "ready")
    writing = [asyncio.create_task(store.add_frame(note(n))) for n in range(3)]
    await asyncio.sleep(0)
    async with asyncio.timeout(300):
        await store.aclose(timeout=0.1)
    for task in writing:
        with pytest.raises(StoreClosed):
            await task
    other_processes.tell(holder)
    await asyncio.to_thread(other_processes.hear, holder, "let go")
    async with SQLiteSessionStore(file) as store:
        assert await store.count_frames("a") == 0


async def test_an_opening_that_waits_for_a_lock_can_be_cancelled(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has the file for itself keeps everybody out; a deadline on opening ends the wait."""
    monkeypatch.setattr(opening, "_PATIENCE", 10_000.0)  # or the test would never end
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await SQLiteSessionStore(file).open()
        monkeypatch.setattr(opening, "_PATIENCE", 0.1)
        with pytest.raises(StoreUnavailable, match=r"lock \(waited") as refused:
            await SQLiteSessionStore(file).open()
        assert refused.value.waited is not None
    async with SQLiteSessionStore(file) as store:
        assert await store.count_sessions() == 1
