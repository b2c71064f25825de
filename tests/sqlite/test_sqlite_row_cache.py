"""Rows that are kept from batch to batch: used again only while nobody else wrote."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import pytest
from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    Session,
    SessionError,
    SQLiteSessionStore,
    StoreUnavailable,
)
from sessionkeeper.backends.sqlite import tables
from sessionkeeper.backends.sqlite.codec import read_row
from sessionkeeper.backends.sqlite.row_cache import MAX_BYTES, MAX_ROWS, RowCache
from sessionkeeper.backends.sqlite.tables import SQLiteTables

from tests.support.sessions import new_session, note

Step: TypeAlias = Callable[[AtomicSessionStore], Awaitable[Any]]

IDS = ("a", "b", "c")
STEPS = 150


class Unaware(RowCache):
    """Wrong: the writes of others change nothing here."""

    def begin(self, witness: object) -> None:
        """Keep all."""


class KeepsRolledBack(RowCache):
    """Wrong: a rollback leaves what the batch changed."""

    def __init__(self) -> None:
        super().forget()

    def forget(self) -> None:
        """Keep all."""

    def begin(self, witness: object) -> None:
        """As it should be, but for a batch that failed."""
        if witness != self._witness:
            super().forget()
        self._witness = witness


class ByCounters(RowCache):
    """Sees the version and the counters of the file alone."""

    def begin(self, witness: Any) -> None:
        """Without the data version."""
        super().begin(witness[:2])

    def keep(self, witness: Any) -> None:
        """Without the data version."""
        super().keep(witness[:2])


class ByDataVersion(RowCache):
    """Sees the data version of SQLite alone."""

    def begin(self, witness: Any) -> None:
        """Without the counters."""
        super().begin(witness[2])

    def keep(self, witness: Any) -> None:
        """Without the counters."""
        super().keep(witness[2])


class FullDisk:
    """Fails batches of stores opened in this test, after everything was written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = False
        save = SQLiteTables.save

        def save_if_there_is_room(tables: SQLiteTables, *, always: bool = False) -> None:
            save(tables, always=always)
            if self.is_full:
                error = sqlite3.OperationalError("injected")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error

        monkeypatch.setattr(SQLiteTables, "save", save_if_there_is_room)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    """A disk that can be full."""
    return FullDisk(monkeypatch)


def changed(tag: str, **fields: Any) -> Callable[[Session], Session]:
    return lambda s: s.model_copy(update={"tags": {*s.tags, tag}, **fields})


def change_of(dice: Random, n: int) -> Step:
    """One change at random."""
    key = dice.choice(IDS)
    owner = dice.choice((None, "me", "you"))
    number = dice.randrange(9)
    ends = {"state": dice.choice(("closed", "initializing"))}
    changes: list[Step] = [
        lambda store: store.create_session(new_session(key, principal=owner)),
        lambda store: store.put_session(new_session(key, tags={str(n)}, principal=owner)),
        lambda store: store.modify_session(key, changed(str(n), principal=owner)),
        lambda store: store.modify_session(key, changed(str(n), **ends)),
        lambda store: store.touch_session(key),
        lambda store: store.add_frame(note(n, key)),
        lambda store: store.add_frame(note(n, key)),
        lambda store: store.add_frames(key, [note(n, key)] * 3, change=changed(str(n))),
        lambda store: store.trim_frames(key, up_to=number),
        lambda store: store.remove_frames(key, [1 + number]),
        lambda store: store.delete_frames(key),
        lambda store: store.delete_session(key),
        lambda store: store.for_principal("me").add_frame(note(n, key)),
        lambda store: store.expire_sessions(idle=0, limit=1),
        lambda store: store.purge_sessions(ended_for=0, limit=1),
    ]
    return dice.choice(changes)


def plain(value: Any) -> Any:
    """What all stores agree on: all but times and incarnations."""
    if isinstance(value, Session):
        fields = ("id", "state", "tags", "principal", "revision", "frame_count", "last_seq")
        return [getattr(value, field) for field in fields]
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.message if hasattr(value, "message") else value


async def told(step: Step, store: AtomicSessionStore) -> Any:
    """What a caller gets."""
    try:
        return plain(await step(store))
    except (SessionError, ValueError) as error:
        return type(error)


async def held(store: AtomicSessionStore) -> Any:
    """All that a store holds."""
    sessions = await store.list_sessions()
    logs = [plain(await store.get_frames(each.id)) for each in sessions]
    mine = await store.for_principal("me").count_sessions()
    held = await store.statistics()
    return plain(sessions), logs, mine, held.sessions, held.frames, held.bytes


async def compare(file: Path, disk: FullDisk, seed: int) -> str | None:
    """Run a program on two stores of one file and in memory; return the first difference."""
    dice = Random(seed)
    async with (
        SQLiteSessionStore(file, durability="os") as one,
        SQLiteSessionStore(file, durability="os") as other,
        ActorSessionStore() as model,
    ):
        for n in range(STEPS):
            store = dice.choice((one, other))
            steps = [change_of(dice, n) for _ in range(dice.randrange(1, 4))]
            if dice.random() < 0.15:
                disk.is_full = True
                answers = await asyncio.gather(*(told(step, store) for step in steps))
                disk.is_full = False
                if set(answers) != {StoreUnavailable}:
                    return f"step {n}: a full disk: {answers}"
                continue
            found = await asyncio.gather(*(told(step, store) for step in steps))
            expected = [await told(step, model) for step in steps]
            if found != expected:
                return f"step {n}: {found}, not {expected}"
            if n % 5 == 0:
                reader = dice.choice((one, other))
                if await held(reader) != await held(model):
                    return f"step {n}: another content"
        found_wrong = await one.check()
        return str(found_wrong) if found_wrong else None


@pytest.mark.parametrize("cache", [RowCache, ByCounters, ByDataVersion])
@pytest.mark.parametrize("seeds", [4, pytest.param(100, marks=pytest.mark.long)])
async def test_two_stores_of_one_file_answer_like_one_in_memory(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    disk: FullDisk,
    cache: type[RowCache],
    seeds: int,
) -> None:
    """Whoever wrote before, and also after batches that failed; either witness is enough."""
    monkeypatch.setattr(tables, "RowCache", cache)
    for seed in range(seeds):
        assert await compare(tmp_path / f"{seed}.db", disk, seed) is None, seed


@pytest.mark.parametrize("cache", [Unaware, KeepsRolledBack])
async def test_a_wrong_cache_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: FullDisk, cache: type[RowCache]
) -> None:
    """The same programs show it."""
    monkeypatch.setattr(tables, "RowCache", cache)
    for seed in range(20):
        if await compare(tmp_path / f"{seed}.db", disk, seed) is not None:
            return
    pytest.fail("no program shows it")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of all sessions that are read in files."""
    found: list[str] = []

    def noted(columns: Any) -> Any:
        found.append(columns[1])
        return read_row(columns)

    monkeypatch.setattr("sessionkeeper.backends.sqlite.tables.read_row", noted)
    return found


async def test_a_session_is_read_again_only_after_others_wrote(file: Path, read: list[str]) -> None:
    """By a writer and by a reader; any write of another store, also in this process."""
    async with SQLiteSessionStore(file) as store, SQLiteSessionStore(file) as other:
        await store.create_session(new_session("a"))
        await store.create_session(new_session("b"))
        for n in range(3):
            await store.add_frame(note(n, "a"))
        assert read == []
        await other.touch_session("b")
        read.clear()
        for n in range(3):
            await store.add_frame(note(n, "a"))
        assert read == ["a"]
        read.clear()
        seen = [await store.get_session("a") for _ in range(3)]
        assert read == ["a"]  # the reader, after the writer
        assert seen[0].last_seq == 6
        assert seen[0] == seen[1] == seen[2]


async def test_the_cache_is_bounded(file: Path, read: list[str]) -> None:
    """By sessions, existing or not, and by the size of their fields."""
    async with SQLiteSessionStore(file, durability="os") as store:
        caches = [each._tables._cache for each in (store._writer, _reader(store))]
        await store.create_session(new_session("a"))
        for at in range(0, 3 * MAX_ROWS, 64):
            ids = [f"none-{n}" for n in range(at, at + 64)]
            await asyncio.gather(
                *(store.get_session(each) for each in ids),
                *(store.touch_session(each) for each in ids),
                return_exceptions=True,
            )
            await store.touch_session("a")
            assert all(len(cache.by_id) <= MAX_ROWS for cache in caches)
        large = {"text": "x" * 200_000}
        for n in range(12):
            await store.create_session(new_session(f"large-{n}", metadata=large))
            await store.get_session(f"large-{n}")
            for cache in caches:
                rows = cache.by_number.values()
                assert sum(row.stored_bytes for row in rows) <= MAX_BYTES
        read.clear()
        await store.touch_session("large-0")
        assert read == ["large-0"]


def _reader(store: SQLiteSessionStore) -> Any:
    return store._pair._reader._runner._storage  # type: ignore[attr-defined]


async def test_a_cached_session_is_what_the_file_holds(file: Path) -> None:
    """Made here, read here, and read by a store that has cached nothing."""
    metadata: dict[str, Any] = {
        "numbers": [0, -0.0, 1.0, 1e300, 5e-324, 2**63 - 1, -(2**63), 0.1],
        "texts": ["", "\x00", "\U0001f600", "\u2028", "</script>"],
        "nested": {"": [None, True, {"a": []}]},
    }
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session("a", metadata=metadata, tags={"x", "\u00e9"}))
        await store.add_frame(note(1, "a"))
        made = await store.modify_session("a", changed("y"))
        cached = await store.modify_session("a", lambda session: session)
        async with SQLiteSessionStore(file) as other:
            stored = await other.get_session("a")
        assert cached == stored
        # Equal values can still differ in their text: 1 and 1.0, 0.0 and -0.0. Tags are a set and
        # have no order.
        texts = {s.model_dump_json(exclude={"tags"}) for s in (made, cached, stored)}
        assert len(texts) == 1
