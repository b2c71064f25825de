"""Many rows of a batch are inserted with few statements: all of them, in order."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sessionkeeper import SQLiteSessionStore
from sessionkeeper.backends.sqlite.many_rows import ROWS, ManyRows

from tests.support.sessions import new_session, note

COUNTS = (1, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS, 3 * ROWS + 5)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """A file in memory with one table."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE pairs (a INTEGER PRIMARY KEY, b)")
        yield connection


@pytest.mark.parametrize("count", [0, *COUNTS])
def test_each_row_is_inserted_once_and_in_order(connection: sqlite3.Connection, count: int) -> None:
    """The same as one statement a row, also where rows are there already or come twice."""
    rows = [(n % (count - 1 or 1), n) for n in range(count)]
    many = ManyRows("pairs", "a, b", conflict=" ON CONFLICT (a) DO UPDATE SET b = b || excluded.b")
    for _ in range(2):
        many.insert(connection, rows)
    found = connection.execute("SELECT a, b FROM pairs").fetchall()
    connection.execute("DELETE FROM pairs")
    for row in rows * 2:
        connection.execute(
            "INSERT INTO pairs VALUES (?, ?) ON CONFLICT (a) DO UPDATE SET b = b || excluded.b", row
        )
    assert found == connection.execute("SELECT a, b FROM pairs").fetchall()


@pytest.mark.parametrize("count", COUNTS)
async def test_batches_of_any_size_are_stored(file: Path, count: int) -> None:
    """Many sessions in a batch, and many frames of one."""
    async with SQLiteSessionStore(file, durability="os") as store:
        ids = [f"s{n}" for n in range(count)]
        await asyncio.gather(*(store.create_session(new_session(each)) for each in ids))
        await asyncio.gather(*(store.add_frame(note(n, each)) for n, each in enumerate(ids)))
        await store.add_frames("s0", [note(n, "s0") for n in range(count)])
        frames = await store.read_frames("s0")
        assert [frame.envelope.message for frame in frames] == [
            note(n, "s0").message for n in (0, *range(count))
        ]
        for n, each in enumerate(ids[1:], 1):
            (frame,) = await store.read_frames(each)
            assert frame.envelope.message == note(n, each).message
        assert await store.check() == []
