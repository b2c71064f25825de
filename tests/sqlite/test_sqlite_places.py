"""The index of frames in two levels: it finds all that is there, whichever level lists it."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import ActorSessionStore, AtomicSessionStore, Frame, SQLiteSessionStore
from sessionkeeper.backends.sqlite import frame_index as places
from sessionkeeper.backends.sqlite import opening, schema, validation
from sessionkeeper.values.guarantees import Durability

if TYPE_CHECKING:
    from tests.sqlite.conftest import Kit

IDS = ("a", "b", "c")


def levels(file: Path) -> tuple[int, ...]:
    """How many frames each level lists."""
    with sqlite3.connect(file) as connection:
        count = "SELECT count(*) FROM"
        found = [connection.execute(f"{count} {name}").fetchone()[0] for name in places.LEVELS]
    connection.close()
    return tuple(found)


def plain(frame: Frame) -> tuple[int, bytes]:
    """What both stores must agree on: all but the time."""
    return frame.seq, frame.envelope.message


async def step(store: AtomicSessionStore, kit: Kit, seed: int) -> object:
    """One step of a program that adds, reads and removes; the same for the same seed."""
    chance = random.Random(seed)
    id_ = chance.choice(IDS)
    kind = chance.random()
    if kind < 0.6:
        notes = [kit.note(seed * 100 + n, id_) for n in range(chance.randrange(1, 9))]
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
    file: Path, kit: Kit, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small level makes every read, trim and delete fall on either side, and between them."""
    monkeypatch.setattr(places, "MERGE_AT", 16)
    async with SQLiteSessionStore(file, durability="os") as store, ActorSessionStore() as model:
        for id_ in IDS:
            for each in (store, model):
                await each.create_session(kit.session(id_))
        for number in range(150):
            told = await step(model, kit, seed * 1_000 + number)
            assert await step(store, kit, seed * 1_000 + number) == told
        assert await store.check() == []
        for id_ in IDS:
            ours, theirs = [await each.read_frames(id_) for each in (store, model)]
            assert [plain(frame) for frame in ours] == [plain(frame) for frame in theirs]
    large, small = levels(file)
    assert large
    assert small < 16


async def test_a_sweep_removes_what_either_level_lists(
    file: Path, kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the buried frames none stays, and of the others none goes."""
    monkeypatch.setattr(places, "MERGE_AT", 1_600)
    async with SQLiteSessionStore(file, durability="os") as store:
        for id_ in ("a", "b"):
            await store.create_session(kit.session(id_))
        for id_ in ("a", "b") * 3:
            await store.add_frames(id_, [kit.note(n, id_) for n in range(499)])
        assert levels(file) == (4 * 499, 2 * 499)
        assert await store.delete_frames("a") == 3 * 499
        assert await store.add_frame(kit.note()) == 3 * 499 + 1
        for _ in kit.until("swept"):
            await store.touch_session("a")
            if sum(levels(file)) == 3 * 499 + 1:
                break
        assert len(await store.get_frames("a")) == 1
        assert len(await store.get_frames("b")) == 3 * 499
        assert await store.check() == []


def test_some_are_removed_and_no_more(file: Path) -> None:
    """A sweep is of bounded size, also where it goes from one level to the other."""
    with closing(opening.open_file(str(file), Durability.DISK)) as connection:
        table = places.FrameIndex(connection)
        for key in range(1, 11):
            connection.execute("INSERT INTO frames VALUES (?, 1, ?, 0, 0, NULL, x'')", (key, key))
        connection.executemany("INSERT INTO places VALUES (1, ?, ?)", [(n, n) for n in range(1, 6)])
        table.note([(1, n, n) for n in range(6, 11)])
        left = range(1, 11)
        for up_to, limit, removed in ((9, 3, 3), (9, 4, 4), (7, 5, 0), (9, 5, 2), (10, 5, 1)):
            assert table.remove_some(1, up_to, limit) == removed
            left = left[removed:]
            assert [key for (key,) in table.read("frames.key", 1, 1, 10)] == [*left]
            assert connection.execute("SELECT count(*) FROM frames").fetchone() == (len(left),)


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM new_places WHERE seq = 2",
        "UPDATE new_places SET key = key + 1 WHERE seq = 2",
        "DELETE FROM frames WHERE seq = 2",
        "INSERT INTO places SELECT session, seq, key FROM new_places WHERE seq = 2",
    ],
)
async def test_a_check_finds_a_frame_that_is_not_listed_as_it_is(
    file: Path, kit: Kit, harm: str
) -> None:
    """SQLite cannot know that these tables belong together."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(kit.session())
        await store.add_frames("a", [kit.note(n) for n in range(3)])
        assert await store.check() == []
    with sqlite3.connect(file) as connection:
        connection.execute(harm)
    connection.close()
    async with SQLiteSessionStore(file) as store:
        assert "frames are not listed as they are" in await store.check()


async def test_a_file_of_the_first_version_keeps_its_frames(
    file: Path, kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had one index; what it listed is found, removed and followed as before."""
    async with SQLiteSessionStore(file) as store:
        for id_ in IDS:
            await store.create_session(kit.session(id_))
        for n in range(40):
            await store.add_frame(kit.note(n, IDS[n % 3]))
        await store.trim_frames("b", up_to=3)
        held = [await store.read_frames(id_) for id_ in IDS]
    with sqlite3.connect(file, isolation_level=None) as connection:
        for statement in (
            *(f"DROP TABLE {name}" for name in (*places.LEVELS, "origin")),
            "DROP INDEX by_end",
            "CREATE UNIQUE INDEX by_seq ON frames (session, seq)",
            "UPDATE meta SET version = 1",
            "PRAGMA user_version = 1",
        ):
            connection.execute(statement)
    connection.close()
    with monkeypatch.context() as before:  # it is one, for those who know no other
        names = schema.NAMES - {*places.LEVELS, "origin", "by_end"} | {"by_seq"}
        before.setattr(opening, "VERSION", 1)
        before.setattr(validation, "VERSION", 1)
        before.setattr(validation, "NAMES", names)
        opening.open_file(str(file), Durability.DISK).close()
    async with SQLiteSessionStore(file) as store:
        assert [await store.read_frames(id_) for id_ in IDS] == held
        assert await store.add_frame(kit.note(99)) == 15
        assert await store.trim_frames("b", up_to=5) == 2
        assert await store.delete_frames("c") == 13
        assert await store.check() == []
    assert levels(file) == (14 + 8, 1)
