"""Closing keeps its deadline, and its answer about a change stays true (Guarantees 13.1)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sessionkeeper import (
    ManagerConfig,
    Session,
    SessionManager,
    SQLiteBackend,
    SQLiteSessionStore,
    StoreClosed,
)
from sessionkeeper.backends.sqlite import opening

from tests.support.sessions import new_session, note
from tests.support.waiting_watcher import waiting_watcher


class SlowChange:
    """A change that waits on the database's thread until it is let go."""

    def __init__(self) -> None:
        self.begun, self.free = threading.Event(), threading.Event()

    def __call__(self, session: Session) -> Session:
        self.begun.set()
        assert self.free.wait(1800)
        return session.model_copy(update={"metadata": {"changed": True}})


@pytest.fixture
def slow() -> Iterator[SlowChange]:
    """A slow change, let go with the test."""
    change = SlowChange()
    yield change
    change.free.set()
    for thread in threading.enumerate():
        if thread.name.startswith("sessionkeeper sqlite"):
            thread.join(300)


async def under_way(slow: SlowChange) -> None:
    """Wait until the change runs."""
    async with asyncio.timeout(300):
        while not slow.begun.is_set():
            await asyncio.sleep(0.001)


def let_go(slow: SlowChange) -> None:
    """Let the change come to its end, and its thread."""
    slow.free.set()
    for thread in threading.enumerate():
        if thread.name.startswith("sessionkeeper sqlite"):
            thread.join(300)
            assert not thread.is_alive()


async def test_a_slow_change_does_not_delay_closing_with_a_deadline(
    file: Path, slow: SlowChange
) -> None:
    """A caller with the answer "no effect" finds none, though the change ended much later."""
    store = await SQLiteSessionStore(file).open()
    await store.create_session(new_session())
    changing = asyncio.create_task(store.modify_session("a", slow))
    await under_way(slow)
    queued = asyncio.create_task(store.add_frame(note()))
    await asyncio.sleep(0)
    async with asyncio.timeout(300):
        await store.aclose(timeout=0.05)
    for asked in (changing, queued):
        with pytest.raises(StoreClosed):
            await asked
    let_go(slow)
    async with SQLiteSessionStore(file) as again:
        found = await again.get_session("a")
        assert not found.metadata
        assert found.frame_count == 0


async def test_a_manager_keeps_its_close_timeout(file: Path, slow: SlowChange) -> None:
    """Its report says that the deadline was missed."""
    config = ManagerConfig(backend=SQLiteBackend(path=str(file)), close_timeout=0.05)
    manager = SessionManager(config)
    await manager.open()
    session = await manager.create_session(transport_type="stdio")
    changing = asyncio.create_task(manager.modify_session(session.id, slow))
    await under_way(slow)
    async with asyncio.timeout(300):
        report = await manager.aclose()
    assert report.deadline_missed
    with pytest.raises(StoreClosed):
        await changing
    let_go(slow)
    async with SQLiteSessionStore(file) as again:
        assert not (await again.get_session(session.id)).metadata


async def test_a_cancelled_opening_is_not_waited_for(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its thread hangs in; the thread closes what it opened when it comes back."""
    free, hung = threading.Event(), threading.Event()
    real = opening.open_file

    def hanging(*rest: object) -> object:
        hung.set()
        assert free.wait(1800)
        return real(*rest)  # type: ignore[arg-type]  # passed on as they are

    monkeypatch.setattr("sessionkeeper.backends.sqlite.writer.open_file", hanging)
    attempt = asyncio.create_task(SQLiteSessionStore(file).open())
    while not hung.is_set():
        await asyncio.sleep(0.001)
    attempt.cancel()
    async with asyncio.timeout(300):
        with pytest.raises(asyncio.CancelledError):
            await attempt
    free.set()
    for thread in threading.enumerate():
        if thread.name.startswith("sessionkeeper sqlite"):
            thread.join(300)


async def test_closing_wakes_watchers_that_wait(tmp_path: Path) -> None:
    """Nothing else would: the file does not change any more."""
    async with SQLiteSessionStore(tmp_path / "store.db") as store:
        await store.create_session(new_session("a"))
        watcher = await waiting_watcher(store, "a")
    async with asyncio.timeout(60):
        with pytest.raises(StoreClosed):
            await watcher
