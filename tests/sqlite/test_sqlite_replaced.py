"""A file is filled from a backup while a log is watched: the watcher gets an error."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sessionkeeper import LogReplaced, MessageEnvelope, Session, SQLiteSessionStore


def note(label: str) -> MessageEnvelope:
    """A notification that can be told from others."""
    message = {"jsonrpc": "2.0", "method": label}
    return MessageEnvelope.of("a", message, direction="client-to-server")


def copy(source: Path, target: Path) -> None:
    """Have SQLite copy a database into another, which may be in use."""
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


@pytest.mark.parametrize("more", [0, 1, 4])
async def test_a_watcher_gets_an_error_when_the_log_is_replaced(more: int, tmp_path: Path) -> None:
    """The log is shorter than what it read, or longer."""
    file, backup = tmp_path / "store.db", tmp_path / "backup.db"
    async with SQLiteSessionStore(file) as store:
        await store.create_session(Session.new(transport_type="stdio", id="a"))
        await store.add_frame(note("one"))
        await asyncio.to_thread(copy, file, backup)
        await store.add_frame(note("lost2"))
        await store.add_frame(note("lost3"))
        async with store.watch_frames("a") as watcher, asyncio.timeout(300):
            assert [(await anext(watcher)).seq for _ in range(3)] == [1, 2, 3]
            await asyncio.to_thread(copy, backup, file)
            async with SQLiteSessionStore(file) as other:
                for n in range(more):
                    await other.add_frame(note(f"kept{n}"))
            with pytest.raises(LogReplaced):
                await anext(watcher)
