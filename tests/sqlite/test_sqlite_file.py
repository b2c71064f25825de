"""The file: settings, permissions, and files that are refused unchanged (hazards, SQLite)."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from sessionkeeper import (
    Durability,
    SQLiteBackend,
    SQLiteSessionStore,
    StorageFactory,
    StoreUnavailable,
)
from sessionkeeper.backends.sqlite import opening, raw_connection, schema

from tests.support.sessions import new_session, note


def mode(path: Path | str) -> int:
    """The permissions of a file."""
    return stat.S_IMODE(os.stat(path).st_mode)


def digest(folder: Path) -> dict[str, str]:
    """The files of a folder, byte for byte."""
    return {
        each.name: hashlib.sha256(each.read_bytes()).hexdigest()
        for each in sorted(folder.iterdir())
        if each.is_file()
    }


async def made(file: Path, frames: int = 3) -> None:
    """Make a store with a session."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
        await store.add_frames("a", [note(n, size=1000) for n in range(frames)])


@pytest.mark.parametrize(("durability", "synchronous"), [("disk", 2), ("os", 1)])
def test_settings_are_set_and_read_back(file: Path, durability: Any, synchronous: int) -> None:
    """Whatever the build's defaults are; `disk` syncs every commit, `os` does not."""
    expected = {
        "synchronous": synchronous,
        "busy_timeout": 50,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "cell_size_check": 1,
        "fullfsync": 1,
        "checkpoint_fullfsync": 1,
        "secure_delete": 2,
        "wal_autocheckpoint": 0,
        "auto_vacuum": 2,
        "page_size": 8192,
        "application_id": schema.APPLICATION_ID,
        "user_version": schema.VERSION,
    }
    for _ in range(2):  # made, and found
        connection = opening.open_file(str(file), durability)
        found = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in expected}
        assert found == expected
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        connection.close()


def test_a_setting_that_is_not_taken_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build that ignores one must not look as if it were safe."""
    monkeypatch.setitem(opening._SETTINGS, "trusted_schema", 7)
    with pytest.raises(StoreUnavailable, match="setting trusted_schema"):
        opening.open_file(str(file), Durability.DISK)


async def test_no_other_user_can_read_the_file(tmp_path: Path) -> None:
    """The file and its log are 0600, a folder we make 0700; what was open to others is closed."""
    previous = os.umask(0)
    try:
        file = tmp_path / "new" / "deep" / "store.db"
        async with SQLiteSessionStore(file) as store:
            await store.create_session(new_session())
            assert [mode(f"{file}{end}") for end in ("", "-wal", "-shm")] == [0o600] * 3
        assert [mode(file.parent), mode(file.parent.parent)] == [0o700] * 2
        os.chmod(file, 0o666)
        async with SQLiteSessionStore(file) as store:
            await store.create_session(new_session("b"))
            assert [mode(f"{file}{end}") for end in ("", "-wal", "-shm")] == [0o600] * 3
            await store.backup(tmp_path / "copy.db")
        assert mode(tmp_path / "copy.db") == 0o600
    finally:
        os.umask(previous)


async def test_a_file_that_is_only_to_be_read_stays_so(file: Path) -> None:
    """Closing it to others gives its owner no right it did not have."""
    await made(file)
    file.chmod(0o444)
    with suppress(StoreUnavailable):  # an administrator may write it all the same
        async with SQLiteSessionStore(file) as store:
            assert await store.count_frames("a") == 3
    assert mode(file) in (0o444, 0o400)


def text(file: Path) -> None:
    file.write_bytes(b"this is not a database\n" * 1000)


def foreign(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()


def foreign_in_wal(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()


def newer(file: Path) -> None:
    opening.open_file(str(file), Durability.DISK).close()
    with sqlite3.connect(file) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()


def empty(file: Path) -> None:
    file.touch()


def random_bytes(file: Path) -> None:
    file.write_bytes(os.urandom(65536))


def folder(file: Path) -> None:
    file.mkdir()


def fifo(file: Path) -> None:
    os.mkfifo(file)


REFUSED: dict[Callable[[Path], None], str] = {
    text: "no database",
    random_bytes: "no database",
    foreign: "not a store's",
    foreign_in_wal: "not a store's",
    newer: f"version {schema.VERSION + 1}, newer than {schema.VERSION}",
    empty: "empty",
    folder: "not a regular file",
    fifo: "not a regular file",
}


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
async def test_a_file_that_is_no_store_is_refused_unchanged(
    file: Path, make: Callable[[Path], None]
) -> None:
    """A clear error; the file is left as it was, and nothing beside it."""
    make(file)
    before = digest(file.parent)
    with pytest.raises(StoreUnavailable, match=REFUSED[make]):
        await StorageFactory.create(SQLiteBackend(path=str(file)))
    assert digest(file.parent) == before


@pytest.mark.parametrize(
    "extra", ["TRIGGER t AFTER INSERT ON frames BEGIN SELECT 1; END", "TABLE x (y)"]
)
async def test_tables_that_are_not_ours_are_refused(file: Path, extra: str) -> None:
    """A trigger would run with what we write."""
    await made(file)
    with sqlite3.connect(file) as connection:
        connection.execute(f"CREATE {extra}")
    connection.close()
    with pytest.raises(StoreUnavailable, match="tables"):
        await SQLiteSessionStore(file).open()


async def test_a_crash_during_a_checkpoint_is_repaired(file: Path, tmp_path: Path) -> None:
    """The file is shorter than its header says, and the log beside it has what is missing."""
    crashed = tmp_path / "crashed.db"
    async with SQLiteSessionStore(file) as store:
        size = file.stat().st_size
        await store.create_session(new_session())
        await store.add_frames("a", [note(n, size=1000) for n in range(200)])
        assert await store.checkpoint() == 0
        for end in ("", "-wal"):
            Path(f"{crashed}{end}").write_bytes(Path(f"{file}{end}").read_bytes())
    os.truncate(crashed, size)
    async with SQLiteSessionStore(crashed) as store:
        assert await store.count_frames("a") == len(await store.get_frames("a")) == 200
        assert await store.check() == []


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.95])
async def test_a_file_cut_short_is_reported(file: Path, keep: float) -> None:
    """At opening, whatever part of it is missing."""
    await made(file, 200)
    os.truncate(file, int(file.stat().st_size * keep))
    before = digest(file.parent)
    with pytest.raises(StoreUnavailable, match=r"damaged|no database"):
        await SQLiteSessionStore(file).open()
    assert digest(file.parent)["store.db"] == before["store.db"]


async def test_a_damaged_page_is_found_by_a_check(file: Path) -> None:
    """Opening looks at a few pages; `check` reads them all. Reading it says so, and nothing is
    written to a damaged file any more.
    """
    await made(file, 400)
    with file.open("r+b") as opened:
        opened.seek(8192 * 30)
        opened.write(os.urandom(8192))
    async with SQLiteSessionStore(file) as store:
        assert await store.check()
        with pytest.raises(StoreUnavailable, match="damaged"):
            await store.get_frames("a")
        with pytest.raises(StoreUnavailable, match="closed for writing: the file is damaged"):
            await store.add_frame(note())
        assert store.write_failure == "the file is damaged"
        assert (await store.get_session("a")).frame_count == 400


@pytest.mark.parametrize("shared", [False, True])
def test_only_a_shared_connection_serves_other_threads(file: Path, shared: bool) -> None:
    """Any other belongs to the thread that has made it."""
    opening.open_file(str(file), Durability.OS).close()
    with closing(raw_connection.connect(str(file), shared=shared)) as connection:
        told: list[object] = []

        def ask() -> None:
            try:
                told.append(connection.execute("SELECT 1").fetchone())
            except sqlite3.ProgrammingError as error:
                told.append(type(error))

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        assert told == [(1,) if shared else sqlite3.ProgrammingError]
