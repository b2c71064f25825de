"""The k-th call to the file system fails while a store is opened: refused, and opened again."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import Session, SQLiteSessionStore, StoreUnavailable
from sessionkeeper.backends.sqlite import log_resync as certainty

if TYPE_CHECKING:
    from tests.durability.conftest import Power
    from tests.durability.vfs.conftest import Faulty

CONNECT = sqlite3.connect


async def create(store: SQLiteSessionStore, id: str) -> None:
    await store.create_session(Session.new(transport_type="stdio", id=id))


async def left_by_a_kill(file: Path) -> None:
    """Put a file there that has most of what it holds in its log."""
    made = file.with_name("made.db")
    async with SQLiteSessionStore(made) as store:
        await create(store, "a")
        for end in ("", "-wal"):
            shutil.copy(f"{made}{end}", f"{file}{end}")
    made.unlink()


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", ["read", "write", "full", "sync", "corrupt", "busy", "gone"])
@pytest.mark.parametrize("found", [False, True], ids=["a-new-one", "one-that-was-killed"])
async def test_every_call_fails_while_a_store_is_opened(
    tmp_path: Path,
    faulty: Faulty,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    found: bool,
    every: int,
) -> None:
    """An error or a store; nothing is left lying beside it, and what was there is there."""
    k = refused = 0
    while True:
        folder = tmp_path / str(k)
        folder.mkdir()
        file = folder / "store.db"
        if found:
            await left_by_a_kill(file)
        faulty.arm(kind, k, lasting=False)
        store = SQLiteSessionStore(file)
        try:
            await store.open()
            faulty.disarm()
            await store.aclose()
        except StoreUnavailable:
            faulty.disarm()
            refused += 1
        assert {each.name for each in folder.iterdir()} <= {
            f"store.db{end}" for end in ("", "-wal", "-shm")
        }
        with monkeypatch.context() as patch:
            patch.setattr(sqlite3, "connect", CONNECT)
            async with SQLiteSessionStore(file) as again:
                assert await again.count_sessions() == found
                await create(again, "b")
                assert await again.check() == []
        if not faulty.struck:
            break
        k += every
    # A lock is waited for; we sync ourselves; what is found is only read.
    assert refused or kind in ("busy", "sync") or (found and kind in ("write", "full"))


@pytest.mark.parametrize("call", ["fsync", "pwrite", "pread"])
async def test_a_log_that_cannot_be_synced_again_is_refused(
    power: Power, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """As long as it is not on the disk, nobody may build on it."""
    file = tmp_path / "store.db"
    await left_by_a_kill(file)

    def fail(*_: Any) -> Any:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        failing = power.os()
        setattr(failing, call, fail)
        patch.setattr(certainty, "os", failing)
        with pytest.raises(StoreUnavailable, match="Input/output error"):
            await SQLiteSessionStore(file).open()
    async with SQLiteSessionStore(file) as store:
        assert await store.count_sessions() == 1
