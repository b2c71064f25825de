"""The index of streams in a file: it costs what a stream holds, and follows every removal."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    Clock,
    MessageEnvelope,
    SQLiteSessionStore,
    StoreLimits,
    StoreUnavailable,
)
from sessionkeeper.backends.sqlite import opening, stream_index
from sessionkeeper.backends.sqlite.tables import SQLiteTables
from sessionkeeper.interface.listeners import Listeners
from sessionkeeper.values.guarantees import Durability

from tests.support.sessions import new_session, note
from tests.support.stream_programs import IDS, framed, left_in_streams, step
from tests.support.waiting import until


def entries(file: Path) -> int:
    """How many entries both levels have."""
    with closing(sqlite3.connect(file)) as connection:
        counts = (
            connection.execute(f"SELECT count(*) FROM {level}").fetchone()[0]
            for level in stream_index.STREAM_LEVELS
        )
        return sum(counts)


@pytest.mark.parametrize("seed", range(5))
async def test_both_levels_together_are_one_index(
    file: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a small level, every read and removal meets one level, the other, or both."""
    monkeypatch.setattr(stream_index, "MERGE_AT", 16)
    async with SQLiteSessionStore(file, durability="os") as store, ActorSessionStore() as model:
        for id_ in IDS:
            for each in (store, model):
                await each.create_session(new_session(id_))
        for number in range(200):
            told = await step(model, seed * 1_000 + number)
            assert await step(store, seed * 1_000 + number) == told
        assert await store.check() == []
        left = await left_in_streams(model)
    assert entries(file) == left


@pytest.mark.parametrize("removal", ["frames", "session", "trim"])
async def test_removed_frames_are_in_no_stream_before_they_are_collected(
    file: Path, removal: str
) -> None:
    """Many get a tombstone. Their entries cannot be read, and are deleted with them."""
    async with SQLiteSessionStore(file, durability="os") as store:
        await store.create_session(new_session())
        await store.create_session(new_session("b"))
        await store.add_frames("b", [framed(n, "x", "b") for n in range(10)])
        for _ in range(3):
            await store.add_frames("a", [framed(n, "x") for n in range(900)])
        if removal == "session":
            await store.delete_session("a")
            await store.create_session(new_session())
        else:
            await (store.delete_frames("a") if removal == "frames" else _trim(store))
        assert await store.read_frames("a", stream="x") == []
        assert await store.count_frames("a", stream="x") == 0
        await store.add_frame(framed(1, "x"))
        assert await store.count_frames("a", stream="x") == 1
        for _ in until("collected"):
            await store.touch_session("a")
            if entries(file) == 11:
                break
        assert await store.check() == []
        assert await store.count_frames("b", stream="x") == 10


async def _trim(store: AtomicSessionStore) -> None:
    await store.trim_frames("a", up_to=2_700)


async def counted_work(file: Path, frames: Sequence[MessageEnvelope]) -> list[int]:
    """How many instructions SQLite runs to read a stream of a new log, whole and in parts."""
    limits = StoreLimits(max_frames_per_batch=10_000)
    async with SQLiteSessionStore(file, durability="os", limits=limits) as store:
        await store.create_session(new_session())
        for start in range(0, len(frames), 500):
            await store.add_frames("a", frames[start : start + 500])
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with closing(opening.open_file(str(file), Durability.OS)) as connection:
        tables = SQLiteTables(limits, Clock(), Listeners())
        tables.attach(connection, str(file))
        connection.execute("BEGIN")
        tables.load()
        row = tables.find("a")
        assert row is not None
        work: list[int] = []
        connection.set_progress_handler(count, 1)
        for limit, newest in ((None, False), (10, False), (10, True)):
            steps = 0
            numbers, _ = tables.read_stream(row, "0", 1, row.last_seq, limit, newest=newest)
            assert len(numbers) == (limit or 625)
            work.append(steps)
        steps = 0
        assert tables.count_stream(row, "0") == 625
        work.append(steps)
        connection.set_progress_handler(None, 0)
    return work


async def test_reading_a_stream_costs_what_it_holds(tmp_path: Path) -> None:
    """One of 8 in a log of 5,000 frames costs what it costs alone: SQLite's steps are counted.

    It may differ by the few steps of another share of the two levels.
    """
    alone = await counted_work(tmp_path / "1.db", [framed(n, "0") for n in range(625)])
    shared = await counted_work(tmp_path / "8.db", [framed(n, str(n % 8)) for n in range(5_000)])
    assert [each <= other + 20 for each, other in zip(shared, alone, strict=True)] == [True] * 4


async def test_a_log_without_streams_has_no_entries(file: Path) -> None:
    """Frames without a stream cost no row."""
    async with SQLiteSessionStore(file, durability="os") as store:
        await store.create_session(new_session())
        await store.add_frames("a", [note(n) for n in range(100)])
        assert await store.count_frames("a", stream="x") == 0
    assert entries(file) == 0


HARMS = [
    "DELETE FROM new_stream_keys WHERE seq = 2",
    "UPDATE new_stream_keys SET key = key + 1 WHERE seq = 2",
    "UPDATE new_stream_keys SET stream = 'y' WHERE seq = 2",
    "UPDATE new_stream_keys SET seq = 4 WHERE seq = 2",
    "INSERT INTO stream_keys SELECT session, stream, seq, key FROM new_stream_keys WHERE seq = 2",
    "UPDATE frames SET detail = NULL WHERE seq = 2",
]


@pytest.mark.parametrize("harm", HARMS)
async def test_a_check_finds_a_stream_with_a_wrong_entry(file: Path, harm: str) -> None:
    """SQLite cannot know that these tables belong together."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
        await store.add_frames("a", [framed(n, "x") for n in range(3)])
        assert await store.check() == []
    with closing(sqlite3.connect(file)) as connection, connection:
        assert connection.execute(harm).rowcount == 1
    async with SQLiteSessionStore(file) as store:
        assert "streams do not list their frames as they are" in await store.check()


@pytest.mark.parametrize(
    "harm", [*HARMS[1:3], "UPDATE new_stream_keys SET seq = 3 WHERE seq = 2", HARMS[5]]
)
async def test_a_damaged_entry_shows_no_other_frame(file: Path, harm: str) -> None:
    """`StoreUnavailable` for that stream; the log and its other streams are read."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
        await store.add_frames("a", [framed(1, "x"), framed(2, "x"), framed(3, "z")])
    with closing(sqlite3.connect(file)) as connection, connection:
        assert connection.execute(harm).rowcount == 1
    async with SQLiteSessionStore(file) as store:
        with pytest.raises(StoreUnavailable):
            await store.read_frames("a", stream="y" if "'y'" in harm else "x")
        assert len(await store.read_frames("a")) == 3
        assert len(await store.read_frames("a", stream="z")) == 1
