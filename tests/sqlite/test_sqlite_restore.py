"""A backup in the place of a store: the old one or the new one, never a mixture, never neither."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import SQLiteSessionStore, StoreUnavailable, restore_backup

from tests.support.sessions import new_session, note

if TYPE_CHECKING:
    from tests.support.worker_processes import WorkerProcesses


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Where the backup is."""
    return tmp_path / "elsewhere" / "backup.db"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The store, in a folder of its own."""
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder / "store.db"


async def fill(file: Path, backup: Path, *, crashed: bool = False) -> None:
    """Make a store of sessions `a` and `b`, and a backup of when there was only `a`."""
    backup.parent.mkdir()
    made = backup.parent / "made.db"
    async with SQLiteSessionStore(made) as store:
        await store.create_session(new_session())
        await store.add_frames("a", [note(n) for n in range(3)])
        await store.backup(backup)
        await store.add_frame(note(3))  # the file without its log is neither of the two
        await store.checkpoint()
        await store.create_session(new_session("b"))
        await store.add_frames("b", [note(n, "b") for n in range(5)])
        if crashed:
            for end in ("", "-wal", "-shm"):
                shutil.copyfile(f"{made}{end}", f"{file}{end}")
    if not crashed:
        shutil.copyfile(made, file)
    made.unlink()


def content(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {each.name: each.read_bytes() for each in folder.iterdir()}


async def held(file: Path) -> dict[str, int]:
    """The sessions of a store that is sound, and how many frames each has."""
    async with SQLiteSessionStore(file) as store:
        assert await store.check() == []
        return {each.id: each.frame_count for each in await store.list_sessions()}


@pytest.mark.parametrize("crashed", [False, True])
async def test_a_store_is_replaced_only_when_that_is_asked_for(
    file: Path, backup: Path, crashed: bool
) -> None:
    """Its log goes with it, the backup stays, and nothing is left beside."""
    await fill(file, backup, crashed=crashed)
    before = content(file.parent)
    with pytest.raises(FileExistsError):
        await restore_backup(backup, file)
    assert content(file.parent) == before
    saved = content(backup.parent)
    seen: list[tuple[int, int]] = []
    report = await restore_backup(
        backup, file, replace=True, on_progress=lambda *pages: seen.append(pages)
    )
    assert (report.sessions, report.frames, report.set_aside) == (1, 3, ())
    assert seen
    assert seen[-1][0] == seen[-1][1]
    assert content(backup.parent) == saved
    assert [each.name for each in file.parent.iterdir()] == ["store.db"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert await held(file) == {"a": 3}


async def test_a_missing_store_is_created(file: Path, backup: Path) -> None:
    """A log without its file is refused without `replace`; with it, the log is set aside."""
    await fill(file, backup, crashed=True)
    file.unlink()
    before = content(file.parent)
    with pytest.raises(FileExistsError, match=r"store\.db-wal"):
        await restore_backup(backup, file)
    assert content(file.parent) == before
    report = await restore_backup(backup, file, replace=True)
    (kept,) = report.set_aside
    assert Path(kept).read_bytes() == before["store.db-wal"]
    assert await held(file) == {"a": 3}
    await restore_backup(backup, file.parent / "new.db")
    assert await held(file.parent / "new.db") == {"a": 3}


async def test_an_empty_log_is_not_set_aside(file: Path, backup: Path) -> None:
    """There is nothing in it."""
    await fill(file, backup)
    Path(f"{file}-wal").touch()
    report = await restore_backup(backup, file, replace=True)
    assert report.set_aside == ()
    assert [each.name for each in file.parent.iterdir()] == ["store.db"]


async def test_a_log_that_is_not_the_old_files_is_set_aside(file: Path, backup: Path) -> None:
    """The state after a restore by hand, which opening refuses."""
    await fill(file, backup, crashed=True)
    log = Path(f"{file}-wal").read_bytes()
    shutil.copyfile(backup, file)
    with pytest.raises(StoreUnavailable, match="not the file's"):
        await held(file)
    report = await restore_backup(backup, file, replace=True)
    (kept,) = report.set_aside
    assert Path(kept).read_bytes() == log
    assert await held(file) == {"a": 3}


async def test_a_journal_is_set_aside(file: Path, backup: Path) -> None:
    """SQLite would play it back into the new file."""
    await fill(file, backup)
    other = file.parent / "other.db"
    with closing(sqlite3.connect(other, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_spill = 1")
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("CREATE TABLE t (x)")
        connection.execute("BEGIN")
        connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
        shutil.copyfile(f"{other}-journal", f"{file}-journal")
    report = await restore_backup(backup, file, replace=True)
    assert [Path(each).suffix for each in report.set_aside] == [".old-journal"]
    assert await held(file) == {"a": 3}


async def test_a_store_that_somebody_has_open_is_refused(
    file: Path, backup: Path, other_processes: WorkerProcesses
) -> None:
    """In this process or another, whatever they do at that moment; nothing is touched."""
    await fill(file, backup)
    for _ in range(2):
        async with SQLiteSessionStore(file) as store:
            await store.touch_session("a")
            with pytest.raises(StoreUnavailable, match=r"store\.db: somebody has the store open"):
                await restore_backup(backup, file, replace=True)
            await store.add_frame(note(9))  # its locks are still there
            with pytest.raises(StoreUnavailable, match="open"):
                await restore_backup(backup, file, replace=True)
    other = other_processes.start("checkpoint")
    await asyncio.to_thread(other_processes.hear, other, "write")
    before = content(file.parent)
    with pytest.raises(StoreUnavailable, match="open"):
        await restore_backup(backup, file, replace=True)
    assert content(file.parent).keys() == before.keys()
    other.kill()
    other.wait()
    await restore_backup(backup, file, replace=True)
    assert await held(file) == {"a": 3}


async def test_no_process_can_open_the_store_during_a_restore(file: Path, backup: Path) -> None:
    """A store opened then would write into a file that is about to be replaced."""
    await fill(file, backup)
    refused: list[str] = []

    def during(*_: int) -> None:
        with closing(sqlite3.connect(file, timeout=0)) as connection:
            try:
                connection.execute("SELECT count(*) FROM sessions").fetchone()
            except sqlite3.OperationalError as error:
                refused.append(str(error))

    await restore_backup(backup, file, replace=True, on_progress=during)
    assert refused == ["database is locked"] * len(refused) != []


def remove(backup: Path) -> None:
    backup.unlink()


def empty(backup: Path) -> None:
    backup.write_bytes(b"")


def text(backup: Path) -> None:
    backup.write_text("no database " * 1_000)


def cut(backup: Path) -> None:
    os.truncate(backup, backup.stat().st_size - 8_192)


def foreign(backup: Path) -> None:
    backup.unlink()
    statement(backup, "CREATE TABLE t (x)")


def newer(backup: Path) -> None:
    statement(backup, "PRAGMA user_version = 99")


def unlisted_frame(backup: Path) -> None:
    statement(backup, "DELETE FROM new_frame_keys WHERE seq = 2")


def another_table(backup: Path) -> None:
    statement(backup, "CREATE TABLE t (x)")


def flipped_byte(backup: Path) -> None:
    with closing(sqlite3.connect(backup)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'frames'"
        (page,) = connection.execute(query).fetchone()
    with open(backup, "r+b") as stream:
        stream.seek((page - 1) * 8_192 + 3)
        stream.write(b"\xff\xff")


def statement(file: Path, text: str) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(text)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (remove, "No such file"),
        (empty, r"backup\.db: the file is empty"),
        (text, r"backup\.db: the file is no database"),
        (cut, r"backup\.db: the file is damaged"),
        (foreign, r"backup\.db: .*not a store's"),
        (newer, r"backup\.db: the file is of version 99"),
        (unlisted_frame, r"backup\.db: the backup is damaged"),
        (another_table, r"backup\.db: the file's tables"),
        (flipped_byte, r"backup\.db: the (backup|file) is damaged"),
    ],
)
@pytest.mark.parametrize("crashed", [False, True])
async def test_a_file_that_is_no_backup_is_refused_and_nothing_is_changed(
    file: Path, backup: Path, spoil: Callable[[Path], None], said: str, crashed: bool
) -> None:
    """The store and its log stay byte for byte as they were."""
    await fill(file, backup, crashed=crashed)
    spoil(backup)
    before = content(file.parent)
    with pytest.raises((StoreUnavailable, FileNotFoundError), match=said):
        await restore_backup(backup, file, replace=True)
    assert content(file.parent) == before
    assert await held(file) == {"a": 4, "b": 5}


async def test_an_address_that_is_none_is_refused(file: Path, backup: Path) -> None:
    """The backup itself, a folder, another program's database, a folder that is not there."""
    await fill(file, backup)
    with pytest.raises(StoreUnavailable, match="the same file"):
        await restore_backup(backup, backup, replace=True)
    with pytest.raises(StoreUnavailable, match="not a regular file"):
        await restore_backup(backup, file.parent, replace=True)
    foreign_file = file.parent / "other.db"
    statement(foreign_file, "CREATE TABLE t (x)")
    with pytest.raises(StoreUnavailable, match=r"other\.db: .*not a store's"):
        await restore_backup(backup, foreign_file, replace=True)
    with pytest.raises(FileNotFoundError, match="missing"):
        await restore_backup(backup, file.parent / "missing" / "store.db")


@pytest.mark.parametrize("spoil", [text, cut, flipped_byte, newer])
async def test_a_damaged_store_is_replaced(
    file: Path, backup: Path, spoil: Callable[[Path], None]
) -> None:
    """That is what a backup is for."""
    await fill(file, backup)
    spoil(file)
    await restore_backup(backup, file, replace=True)
    assert await held(file) == {"a": 3}


async def test_a_damaged_store_that_another_process_has_locked_is_refused(
    file: Path, backup: Path
) -> None:
    """It does not wait for the lock: nobody knows how long that takes."""
    await fill(file, backup)
    text(file)
    program = (
        "import fcntl, sys\n"
        "file = open(sys.argv[1], 'r+b')\n"
        "fcntl.lockf(file, fcntl.LOCK_EX, 512, 0x4000_0000)\n"
        "print(flush=True)\n"
        "sys.stdin.read()\n"
    )
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program, file], **pipes) as other:
        try:
            assert other.stdout is not None
            await asyncio.to_thread(other.stdout.readline)
            with pytest.raises(StoreUnavailable, match="somebody has the store open"):
                await restore_backup(backup, file, replace=True)
        finally:
            other.kill()
    await restore_backup(backup, file, replace=True)
    assert await held(file) == {"a": 3}


async def test_the_file_of_a_crashed_store_is_read_with_its_log(file: Path, backup: Path) -> None:
    """A copy of its files is a backup too; one beside another's log is none."""
    await fill(file, backup, crashed=True)
    await restore_backup(file, file.parent / "new.db")
    assert await held(file.parent / "new.db") == {"a": 4, "b": 5}
    shutil.copyfile(f"{file}-wal", f"{backup}-wal")
    with pytest.raises(StoreUnavailable, match=r"backup\.db: .*not the file's"):
        await restore_backup(backup, file, replace=True)
    assert await held(file) == {"a": 4, "b": 5}


async def test_a_restore_that_is_cancelled_leaves_the_store_as_it_was(
    file: Path, backup: Path
) -> None:
    """Nothing is left beside it."""
    await fill(file, backup, crashed=True)
    before = content(file.parent)
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(
        restore_backup(
            backup,
            file,
            replace=True,
            on_progress=lambda *_: asyncio.run_coroutine_threadsafe(cancel(), loop).result(),
        )
    )

    async def cancel() -> None:
        task.cancel()
        for _ in range(5):  # until it has heard of it
            await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        await task
    assert content(file.parent) == before
    assert await held(file) == {"a": 4, "b": 5}
