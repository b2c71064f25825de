"""The index of frames: it finds every frame, in whichever of its two levels the entry is."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sessionkeeper import ActorSessionStore, AtomicSessionStore, Frame, SQLiteSessionStore
from sessionkeeper.backends.sqlite import frame_index, opening
from sessionkeeper.backends.sqlite.frames import FrameTable
from sessionkeeper.values.guarantees import Durability

from tests.support.sessions import new_session, note
from tests.support.waiting import until

IDS = ("a", "b", "c")


def levels(file: Path) -> tuple[int, ...]:
    """How many entries each level has."""
    with sqlite3.connect(file) as connection:
        count = "SELECT count(*) FROM"
        found = [connection.execute(f"{count} {name}").fetchone()[0] for name in frame_index.LEVELS]
    connection.close()
    return tuple(found)


def plain(frame: Frame) -> tuple[int, bytes]:
    """The part of a frame that is the same in both stores: all but its time."""
    return frame.seq, frame.envelope.message


async def step(store: AtomicSessionStore, seed: int) -> object:
    """One step of a program that adds, reads and removes; the same for the same seed."""
    chance = random.Random(seed)
    id_ = chance.choice(IDS)
    kind = chance.random()
    if kind < 0.6:
        notes = [note(seed * 100 + n, id_) for n in range(chance.randrange(1, 9))]
        return await store.add_frames(id_, notes)
    if kind < 0.8:
        after, limit = chance.randrange(60), chance.randrange(1, 40)
        return [plain(each) for each in await store.read_frames(id_, after=after, limit=limit)]
    if kind < 0.95:
        last = (await store.get_session(id_)).last_seq
        return await store.trim_frames(id_, up_to=max(0, last - chance.randrange(30)))
    return await store.delete_frames(id_)


@pytest.mark.parametrize("seed", range(5))
async def test_both_levels_together_are_one_log(
    file: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a small level, every read, trim and delete meets one level, the other, or both."""
    monkeypatch.setattr(frame_index, "MERGE_AT", 16)
    async with SQLiteSessionStore(file, durability="os") as store, ActorSessionStore() as model:
        for id_ in IDS:
            for each in (store, model):
                await each.create_session(new_session(id_))
        for number in range(150):
            told = await step(model, seed * 1_000 + number)
            assert await step(store, seed * 1_000 + number) == told
        assert await store.check() == []
        for id_ in IDS:
            ours, theirs = [await each.read_frames(id_) for each in (store, model)]
            assert [plain(frame) for frame in ours] == [plain(frame) for frame in theirs]
    large, small = levels(file)
    assert large
    assert small < 16


async def test_collecting_deletes_frames_of_both_levels(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All frames with a tombstone are deleted, and no other frame is."""
    monkeypatch.setattr(frame_index, "MERGE_AT", 1_600)
    async with SQLiteSessionStore(file, durability="os") as store:
        for id_ in ("a", "b"):
            await store.create_session(new_session(id_))
        for id_ in ("a", "b") * 3:
            await store.add_frames(id_, [note(n, id_) for n in range(499)])
        assert levels(file) == (4 * 499, 2 * 499)
        assert await store.delete_frames("a") == 3 * 499
        assert await store.add_frame(note()) == 3 * 499 + 1
        for _ in until("collected"):
            await store.touch_session("a")
            if sum(levels(file)) == 3 * 499 + 1:
                break
        assert len(await store.get_frames("a")) == 1
        assert len(await store.get_frames("b")) == 3 * 499
        assert await store.check() == []


@pytest.mark.parametrize(
    ("first", "up_to", "left"), [(1, 1_000, 0), (1, 1_001, 1), (5_001, 6_000, 0), (5_001, 6_001, 1)]
)
def test_a_thousand_frames_are_deleted_at_once(
    file: Path, first: int, up_to: int, left: int
) -> None:
    """Wherever they are in the log; more of them get a tombstone, and are collected later."""
    with closing(opening.open_file(str(file), Durability.DISK)) as connection:
        FrameTable(connection)._remove(1, first, up_to)
        assert connection.execute("SELECT count(*) FROM tombstones").fetchone() == (left,)


def test_collecting_deletes_at_most_a_given_number_of_frames(file: Path) -> None:
    """Also where it goes from one level to the other."""
    with closing(opening.open_file(str(file), Durability.DISK)) as connection:
        table = frame_index.FrameIndex(connection)
        for key in range(1, 11):
            connection.execute("INSERT INTO frames VALUES (?, 1, ?, 0, 0, NULL, x'')", (key, key))
        connection.executemany(
            "INSERT INTO frame_keys VALUES (1, ?, ?)", [(n, n) for n in range(1, 6)]
        )
        table.add([(1, n, n) for n in range(6, 11)])
        left = range(1, 11)
        for up_to, limit, removed in ((9, 3, 3), (9, 4, 4), (7, 5, 0), (9, 5, 2), (10, 5, 1)):
            assert table.remove_some(1, up_to, limit) == removed
            left = left[removed:]
            assert [key for (key,) in table.read("frames.key", 1, 1, 10)] == [*left]
            assert connection.execute("SELECT count(*) FROM frames").fetchone() == (len(left),)


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM new_frame_keys WHERE seq = 2",
        "UPDATE new_frame_keys SET key = key + 1 WHERE seq = 2",
        "DELETE FROM frames WHERE seq = 2",
        "INSERT INTO frame_keys SELECT session, seq, key FROM new_frame_keys WHERE seq = 2",
    ],
)
async def test_a_check_finds_a_frame_with_a_wrong_entry(file: Path, harm: str) -> None:
    """SQLite cannot know that these tables belong together."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
        await store.add_frames("a", [note(n) for n in range(3)])
        assert await store.check() == []
    with sqlite3.connect(file) as connection:
        connection.execute(harm)
    connection.close()
    async with SQLiteSessionStore(file) as store:
        assert "frames are not listed as they are" in await store.check()
