"""A batch is a transaction: one commit, and every row is written once."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextvars import Context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import (
    SessionEvent,
    SessionNotFound,
    SQLiteSessionStore,
    StoreUnavailable,
)
from sessionkeeper.backends.sqlite.many_rows import ROWS
from soleowner import Command

from tests.support.sessions import new_session, note
from tests.support.waiting import until

if TYPE_CHECKING:
    from sessionkeeper.backends.sqlite.tables import SQLiteTables


CONNECT = "sessionkeeper.backends.sqlite.opening.sqlite3.connect"


class Recording(sqlite3.Connection):
    """A connection that records its statements."""

    asked: list[str]

    def execute(self, statement: str, values: Any = (), /) -> sqlite3.Cursor:
        """Note it."""
        self.asked.append(" ".join(statement.split()[:3]))
        return super().execute(statement, values)

    def executemany(self, statement: str, values: Any, /) -> sqlite3.Cursor:
        """Note it."""
        self.asked.append("many " + " ".join(statement.split()[:3]))
        return super().executemany(statement, values)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements of the stores opened in this test."""
    connect = sqlite3.connect
    monkeypatch.setattr(CONNECT, lambda *a, **k: connect(*a, **k, factory=Recording))
    Recording.asked = []
    return Recording.asked


class Ask(Command["SQLiteTables", Any]):
    """A statement of the test's own, on the owner's connection."""

    __slots__ = ("statement",)

    def __init__(self, statement: str) -> None:
        self.statement = statement

    def apply(self, tables: SQLiteTables, /) -> Any:
        return tables._execute(self.statement).fetchall()


async def test_sixty_four_callers_cost_one_commit(file: Path, asked: list[str]) -> None:
    """A session that all of them touch is written once, and read if others may have written."""
    async with SQLiteSessionStore(file) as store, SQLiteSessionStore(file) as other:
        await store.create_session(new_session())
        await other.touch_session("a")
        asked.clear()
        seqs = await asyncio.gather(*(store.add_frame(note(n)) for n in range(64)))
    assert seqs == [*range(1, 65)]
    assert asked[: asked.index("COMMIT") + 1] == [
        "BEGIN IMMEDIATE",
        "SELECT version, counters",
        "PRAGMA data_version",
        "SELECT number, id,",
        "SELECT coalesce(max(key), 0)",
        *["INSERT INTO frames"] * (64 // ROWS),
        *["INSERT INTO new_frame_keys"] * (64 // ROWS),
        "SELECT count(*) FROM",  # the first time
        "many INSERT INTO logs",
        "UPDATE meta SET",
        "COMMIT",
    ]


async def test_a_batch_that_only_reads_takes_no_lock(file: Path, asked: list[str]) -> None:
    """A batch of reads takes no write lock; one with a change does."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session(principal="me"))
        view = store.for_principal("me")
        asked.clear()
        await asyncio.gather(
            store.get_session("a"),
            store.count_frames("a"),
            store.read_frames("a"),
            store.list_sessions(),
            store.statistics(),
            view.get_session("a"),
            view.count_sessions(),
        )
        assert asked.count("BEGIN") == 1
        assert "BEGIN IMMEDIATE" not in asked
        assert not [each for each in asked if "INSERT" in each or "UPDATE" in each]
        await asyncio.gather(store.get_session("a"), view.touch_session("a"))
        assert asked.count("BEGIN IMMEDIATE") == 1


async def test_a_refused_batch_writes_nothing(file: Path, asked: list[str]) -> None:
    """Checked first, changed last: there is nothing to sync."""
    async with SQLiteSessionStore(file) as store:
        asked.clear()
        with pytest.raises(SessionNotFound):
            await store.add_frame(note())
        assert not [each for each in asked if "INSERT" in each or "UPDATE" in each]


async def test_each_command_sees_the_writes_before_it_in_its_batch(file: Path) -> None:
    """Each command sees what those before it wrote, though rows are written at the end."""
    async with SQLiteSessionStore(file) as store:
        got: list[Any] = await asyncio.gather(
            store.create_session(new_session()),
            store.add_frame(note(1)),
            store.add_frame(note(2)),
            store.trim_frames("a", up_to=1),
            store.modify_session("a", lambda s: s.model_copy(update={"tags": {str(s.last_seq)}})),
            store.delete_session("a"),
            store.create_session(new_session(tags={"again"})),
            store.expire_sessions(idle=0),
        )
        assert got[1:4] == [1, 2, 1]
        assert (got[4].tags, got[4].frame_count) == ({"2"}, 1)
        assert [session.id for session in got[7]] == ["a"]
        assert await store.get_frames("a") == []
        assert await store.count_sessions() == 1
        assert await store.check() == []
        (session,) = await store.list_sessions()
        assert session.tags == {"again"}
        await store.create_session(new_session("b"))
        added, gone = await asyncio.gather(store.add_frame(note(1, "b")), store.delete_frames("b"))
        assert (added, gone) == (1, 1)
        assert await store._actor.ask(Ask("SELECT count(*) FROM frames")) == [(0,)]
        assert session.state == "timed-out"


async def test_no_query_scans(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each finds its rows by an index; work is in proportion to what it gives."""
    statements: set[str] = set()

    class Noting(Recording):
        def execute(self, statement: str, values: Any = (), /) -> sqlite3.Cursor:
            statements.add(statement)
            return super().execute(statement, values)

    connect = sqlite3.connect
    monkeypatch.setattr(CONNECT, lambda *a, **k: connect(*a, **k, factory=Noting))
    Recording.asked = []
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session(principal="me"))
        await store.add_frames("a", [note()] * 5)
        statements.clear()
        watching = asyncio.ensure_future(anext(store.watch_frames("a", after=5)))
        await store.trim_frames("a", up_to=1)
        await store.read_frames("a")
        await store.list_sessions()
        await store.for_principal("me").count_sessions()
        await store.expire_sessions(idle=99, age=99)
        await store.purge_sessions(ended_for=0)
        await store.delete_frames("a")
        async with SQLiteSessionStore(file) as other:
            await other.add_frame(note())
        await watching
        await store.delete_session("a")
    with connect(file) as connection:
        for statement in statements:
            if not statement.startswith(("SELECT", "DELETE", "UPDATE", "INSERT")):
                continue
            named: list[str] = re.findall(r":(\w+)", statement)
            values: Any = dict.fromkeys(named, 0) or (0,) * statement.count("?")
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
            for step in plan:
                small = any(
                    f"SCAN {name}" in step[3]
                    for name in (
                        "meta",
                        "tombstones",
                        "new_frame_keys",
                        "sqlite_master",
                        "CONSTANT ROW",
                    )
                )
                # The least in an index are found without going through it.
                ordered = ("IS NULL ORDER BY number LIMIT ?", "ORDER BY steady_ended_at LIMIT ?")
                first = "LIMIT 1" in statement or statement.endswith(ordered)
                assert small or first or "SCAN" not in step[3], (statement, step[3])
                assert "TEMP B-TREE" not in step[3], (statement, step[3])
    connection.close()
    assert len(statements) > 15


async def test_many_frames_are_removed_in_one_step_and_deleted_later(file: Path) -> None:
    """They cannot be read from that moment on; what they held comes back little by little."""
    async with SQLiteSessionStore(file, durability="os") as store:
        await store.create_session(new_session())
        await store.create_session(new_session("b"))
        await store.add_frames("a", [note(n, size=500) for n in range(5_000)])
        await store.add_frames("b", [note(n, "b", size=500) for n in range(3_000)])
        assert await store.delete_frames("a") == 5_000
        assert await store.add_frame(note()) == 5_001
        assert await store.trim_frames("b", up_to=2_999) == 2_999
        assert [frame.seq for frame in await store.read_frames("b")] == [3_000]
        await store.delete_session("b")
        assert (await store.statistics()).frames == 1
        for _ in until("swept"):
            left = await store._actor.ask(Ask("SELECT count(*) FROM frames"))
            if left == [(1,)]:
                break
        assert await store._actor.ask(Ask("SELECT count(*) FROM tombstones")) in ([(0,)], [(1,)])
        assert [frame.seq for frame in await store.read_frames("a")] == [5_001]
        before = (await store.statistics()).file
        freed = await store.vacuum()
        after = (await store.statistics()).file
        assert before is not None
        assert after is not None
        assert freed > 0
        assert (after.free_pages, after.pages) == (0, before.pages - freed)
        assert await store.check() == []


async def test_listeners_hear_after_the_commit_on_the_loop(file: Path) -> None:
    """Before the reply; and nothing of what was rolled back."""
    heard: list[tuple[str, int]] = []
    loop = asyncio.get_running_loop()

    def listen(event: SessionEvent, _: Context) -> None:
        assert asyncio.get_running_loop() is loop
        with sqlite3.connect(file) as connection:
            found = connection.execute("SELECT count(*) FROM sessions").fetchone()[0]
        connection.close()
        heard.append((event.kind, found))

    async with SQLiteSessionStore(file) as store:
        store.subscribe(listen)
        await store.create_session(new_session())
        assert heard == [("created", 1)]
        await store._actor.ask(Ask("PRAGMA max_page_count = 1"))
        large = new_session("b", metadata={"x": "x" * 500_000})
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            await store.create_session(large)
        assert heard == [("created", 1)]
        await store._actor.ask(Ask("PRAGMA max_page_count = 100000"))
        await store.create_session(large)
        assert heard[1:] == [("created", 2)]
