"""A file of an older version is upgraded when it is opened, whole or not at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sessionkeeper import SessionQuery, SQLiteSessionStore, StoreUnavailable
from sessionkeeper.backends.sqlite import activity, opening, schema, upgrades, validation
from sessionkeeper.values.guarantees import Durability

from tests.support.sessions import FakeClock, new_session, note

IDS = ("a", "b", "c")

DOWNGRADES = {
    7: (
        "DROP INDEX by_last_activity",
        "DROP INDEX by_expiry",
        "ALTER TABLE sessions DROP COLUMN expires_at",
        "ALTER TABLE sessions DROP COLUMN incarnation",
        "DROP TABLE stream_keys",
        "DROP TABLE new_stream_keys",
    ),
    6: (
        "ALTER TABLE logs DROP COLUMN odd_frames",
        "ALTER TABLE logs DROP COLUMN gap_frames",
    ),
    5: (
        "ALTER TABLE meta RENAME COLUMN counters TO numbers",
        "ALTER TABLE sessions RENAME COLUMN steady_created_at TO born_at",
        "ALTER TABLE sessions RENAME COLUMN steady_ended_at TO over_at",
        'ALTER TABLE logs RENAME COLUMN ended TO "over"',
        "ALTER TABLE logs RENAME COLUMN position TO place",
        "ALTER TABLE logs RENAME COLUMN steady_active_at TO active_at",
        "DROP INDEX by_position",
        "CREATE INDEX by_place ON logs (over, place)",
        "ALTER TABLE frame_keys RENAME TO places",
        "ALTER TABLE new_frame_keys RENAME TO new_places",
        "ALTER TABLE tombstones RENAME TO graves",
        "ALTER TABLE origin RENAME COLUMN file_id TO line",
    ),
    4: ("DROP INDEX by_end",),
    3: ("DROP TABLE origin",),
    2: (
        "DROP TABLE places",
        "DROP TABLE new_places",
        "CREATE UNIQUE INDEX by_seq ON frames (session, seq)",
    ),
}
"""The statements that make the tables of the version before."""


def downgrade(file: Path, version: int) -> None:
    """Make a file of an older version, as the library of that time wrote it."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for newer in range(schema.VERSION, version, -1):
            for statement in DOWNGRADES[newer]:
                connection.execute(statement)
        connection.execute("UPDATE meta SET version = ?", (version,))
        connection.execute(f"PRAGMA user_version = {version}")


def columns(file: Path) -> dict[str, list[tuple[object, ...]]]:
    """Describe the columns of each table and index."""
    with closing(sqlite3.connect(file)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
        return {
            name: connection.execute(f"PRAGMA table_xinfo({name})").fetchall()
            + connection.execute(f"PRAGMA index_xinfo({name})").fetchall()
            for name in names
        }


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6])
async def test_a_file_of_an_older_version_keeps_everything(file: Path, version: int) -> None:
    """Its frames can be read and removed, and its tables are those of a new file."""
    async with SQLiteSessionStore(file) as store:
        for id_ in IDS:
            await store.create_session(new_session(id_))
        for n in range(40):
            await store.add_frame(note(n, IDS[n % 3]))
        await store.trim_frames("b", up_to=3)
        before = [await store.read_frames(id_) for id_ in IDS]
        # They were stored without an incarnation: it is that of their number.
        sessions = [
            each.model_copy(update={"incarnation": f"{number:016x}"})
            for number, each in enumerate(await store.list_sessions(), 1)
        ]
    new = columns(file)
    downgrade(file, version)
    assert columns(file) != new
    async with SQLiteSessionStore(file) as store:
        assert [await store.read_frames(id_) for id_ in IDS] == before
        assert await store.list_sessions() == sessions
        for each in sessions:
            own = await store.read_frames(each.id, incarnation=each.incarnation)
            assert own == await store.read_frames(each.id)
        assert await store.add_frame(note(99)) == 15
        assert await store.trim_frames("b", up_to=5) == 2
        assert await store.delete_frames("c") == 13
        assert await store.check() == []
    assert columns(file) == new


async def test_a_session_of_an_older_file_keeps_its_incarnation(file: Path) -> None:
    """Through changes, and when the file is opened again; a new session has a random one."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
    downgrade(file, 6)
    seen: list[str] = []
    for _ in range(2):
        async with SQLiteSessionStore(file) as store:
            seen.append((await store.get_session("a")).incarnation)
            seen.append((await store.update_session(await store.get_session("a"))).incarnation)
    assert seen == [f"{1:016x}"] * 4
    async with SQLiteSessionStore(file) as store:
        await store.delete_session("a")
        assert (await store.create_session(new_session())).incarnation != f"{2:016x}"


@pytest.mark.parametrize("version", [1, 2, 3, 4])
async def test_an_upgrade_that_is_only_in_the_log_belongs_to_its_file(
    file: Path, version: int
) -> None:
    """The log of the upgrade is not taken for that of another file."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
        await store.add_frame(note())
    downgrade(file, version)
    first = opening.open_file(str(file), Durability.DISK)
    try:
        for seq in (2, 3):
            async with SQLiteSessionStore(file) as store:
                assert await store.add_frame(note(seq)) == seq
                assert await store.check() == []
    finally:
        first.close()


async def test_a_failed_upgrade_changes_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade is one transaction: all its steps, or none and the file keeps its version."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
    steps = ("ALTER TABLE logs ADD COLUMN extra INTEGER", "CREATE TABLE wrong wrong")
    old, new = schema.VERSION, schema.VERSION + 1
    for version, statements in ((old, steps), (new, steps[:1])):
        monkeypatch.setitem(upgrades.UPGRADES, old, statements)
        for module in (upgrades, opening, validation):
            monkeypatch.setattr(module, "VERSION", new)
        if version == old:
            with pytest.raises(StoreUnavailable):
                opening.open_file(str(file), Durability.DISK)
        else:
            opening.open_file(str(file), Durability.DISK).close()
        assert ("extra" in str(columns(file)["logs"])) == (version == new)
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (version,)
            assert connection.execute("SELECT version FROM meta").fetchone() == (version,)


async def test_ended_sessions_of_an_older_file_are_in_their_place(file: Path) -> None:
    """By their last activity; an archived one was dated by its import, and is not any more."""
    clock = FakeClock()
    async with SQLiteSessionStore(file, clock=clock.as_clock()) as store:
        for key in ("closed", "archived", "swept", "cleared", "live"):
            created = await store.create_session(new_session(key))
            if key == "archived":
                moment = created.created_at - timedelta(days=9)
                times = {"created_at": moment, "last_activity": moment, "ended_at": moment}
                await store.archive_session(
                    created.model_copy(update={"state": "failed", **times}), expected_last_seq=0
                )
            clock.advance(10)
        await store.modify_session("closed", lambda s: s.model_copy(update={"state": "closed"}))
        await store.expire_sessions(age=25)
        clock.advance(1)
        await store.modify_session("cleared", lambda s: s.model_copy(update={"state": "closed"}))
        clock.advance(1)
        await store.delete_frames("cleared")
        expected = await _newest(store)
        assert expected == ["cleared", "closed", "live", "swept", "archived"]
    downgrade(file, 6)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        # As version 6 dated it.
        connection.execute("UPDATE logs SET steady_active_at = 45.0 WHERE session = 2")
    async with SQLiteSessionStore(file, clock=clock.as_clock()) as store:
        assert await _newest(store) == expected
        assert await store.check() == []


async def _newest(store: SQLiteSessionStore) -> list[str]:
    page = await store.find_sessions(SessionQuery(), order="last-activity")
    return [each.id for each in page.sessions]


async def test_a_page_by_last_activity_is_found_by_indexes(file: Path) -> None:
    """No query of it reads, or sorts, more rows than it returns."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
    with closing(sqlite3.connect(file)) as connection:
        for query, parameters in (
            (activity._LIVE, (5, 5)),
            (activity._ENDED, (1.0, 5, 5)),
            (activity._LATEST_UP_TO, (5,)),
        ):
            plan = connection.execute(f"EXPLAIN QUERY PLAN {query}", parameters).fetchall()
            told = " ".join(each[-1] for each in plan)
            assert "SCAN" not in told
            assert "TEMP B-TREE" not in told
