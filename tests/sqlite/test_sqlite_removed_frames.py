"""Removed frames in a file: their content is in the file no more, and the tables still agree."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sessionkeeper import MessageEnvelope, MessageKind, SQLiteSessionStore, StoreUnavailable
from sessionkeeper.backends.sqlite.tables import SQLiteTables
from sessionkeeper.operations.command import StoreCommand
from sessionkeeper.operations.tables import Tables

from tests.support.sessions import new_session, note


class ReadSetting(StoreCommand[int], frozen=True, gc=False):
    """Read the setting on the connection that writes."""

    def apply(self, tables: Tables, /) -> int:
        assert isinstance(tables, SQLiteTables)
        return tables._pragma("secure_delete")


SECRET = b"s3cr3t-of-one-frame"


def secret(size: int) -> MessageEnvelope:
    """A message of about that many bytes that ends with a secret, which its metadata have too."""
    start = b'{"jsonrpc":"2.0","method":"x","params":["'
    message = start.ljust(size, b"y") + SECRET + b'"]}'
    return MessageEnvelope.of(
        "a", message, direction="client-to-server", metadata={"also": SECRET.decode()}
    )


def held(file: Path) -> bytes:
    """Every byte of the file and of its log."""
    log = file.with_name(f"{file.name}-wal")
    return file.read_bytes() + (log.read_bytes() if log.exists() else b"")


@pytest.mark.parametrize("size", [100, 3_000, 9_000, 200_000], ids=str)
async def test_the_content_is_in_the_file_no_more(file: Path, size: int) -> None:
    """Of a small message and of one with pages of its own, once the log is in the file."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session("a"))
        await store.add_frames("a", [note(1), secret(size), note(3), secret(size)])
    assert SECRET in held(file)
    async with SQLiteSessionStore(file) as store:
        assert await store.remove_frames("a", [2, 4]) == 2
    assert SECRET not in held(file)
    async with SQLiteSessionStore(file) as store:
        kinds = [envelope.kind for envelope in await store.get_frames("a")]
        removed = MessageKind.REMOVED
        assert kinds == [MessageKind.NOTIFICATION, removed, MessageKind.NOTIFICATION, removed]
        assert await store.check() == []


async def test_the_tables_agree_after_removals(file: Path) -> None:
    """Of new frames and of old ones, in one batch with appends, trims and deletions."""
    async with SQLiteSessionStore(file) as store:
        for key in "ab":
            await store.create_session(new_session(key))
            await store.add_frames(key, [note(n, key) for n in range(3_000)])
        await store.remove_frames("a", range(1, 2_900, 3))
        assert await store.check() == []
        await store.trim_frames("a", up_to=1_500)
        await store.remove_frames("b", range(2_000, 3_001))
        await store.add_frames("b", [note(n, "b") for n in range(5)])
        assert await store.check() == []
        await store.delete_frames("b")
        await store.delete_session("a")
        assert await store.check() == []
        now = await store.statistics()
        assert (now.frames, now.bytes) == (0, 0)


async def test_a_frame_of_the_same_batch_is_removed(file: Path) -> None:
    """What is not written yet is written first; a session without a frame has none to remove."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session("a"))
        assert await store.remove_frames("a", []) == 0
        adding, removing = await asyncio.gather(
            store.add_frames("a", [secret(100), note(2)]), store.remove_frames("a", [1])
        )
        assert (adding, removing) == (range(1, 3), 1)
        assert [len(each.message) > 0 for each in await store.get_frames("a")] == [False, True]


async def test_deletions_are_as_quick_as_before(file: Path) -> None:
    """The connection overwrites other deleted data only where that writes no further page."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session("a"))
        await store.add_frames("a", [note(1), note(2)])
        await store.remove_frames("a", [1])
        assert await store._run(ReadSetting()) == 2


async def test_a_frame_that_is_missing_is_damage(file: Path) -> None:
    """Nothing is removed then; a removed frame is none that is missing."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session("a"))
        await store.add_frames("a", [note(n) for n in range(1, 5)])
        await store.remove_frames("a", [2])
    with closing(sqlite3.connect(file)) as connection, connection:
        assert connection.execute("DELETE FROM frames WHERE seq = 3").rowcount == 1
    async with SQLiteSessionStore(file) as store:
        with pytest.raises(StoreUnavailable, match="damaged"):
            await store.remove_frames("a", [1, 3])
    async with SQLiteSessionStore(file) as store:
        frames = await store.read_frames("a", limit=2)
        assert [len(frame.envelope.message) > 0 for frame in frames] == [True, False]
