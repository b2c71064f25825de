"""Files changed by others: no acknowledged write is lost, and the error names the change."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import SQLiteSessionStore, StoreUnavailable

from tests.support.sessions import new_session, note

if TYPE_CHECKING:
    from tests.support.worker_processes import WorkerProcesses


def remove(end: str) -> Callable[[Path], None]:
    return lambda file: os.unlink(f"{file}{end}")


def rename_over(file: Path) -> None:
    os.replace(file.parent / "backup.db", file)


def restore_by_hand(file: Path) -> None:
    os.replace(file.parent / "backup.db", file)
    for end in ("-wal", "-shm"):
        os.unlink(f"{file}{end}")


def copy_over(file: Path) -> None:
    shutil.copyfile(file.parent / "backup.db", file)


def cut_the_file(file: Path) -> None:
    os.truncate(file, 0)


def cut_the_log(file: Path) -> None:
    os.truncate(f"{file}-wal", 0)


def replace_the_log(file: Path) -> None:
    shutil.copyfile(f"{file}-wal", file.parent / "other")
    os.replace(file.parent / "other", f"{file}-wal")


def move_away(file: Path) -> None:
    os.rename(file, f"{file}.moved")


def replace_the_folder(file: Path) -> None:
    os.rename(file.parent, f"{file.parent}.old")
    os.mkdir(file.parent)


def point_the_link_elsewhere(file: Path) -> None:
    os.unlink(file.parent.parent / "link.db")
    os.symlink(file.parent / "backup.db", file.parent.parent / "link.db")


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "removed": (remove(""), "store.db: it is gone"),
    "log removed": (remove("-wal"), "store.db-wal: it is gone"),
    "index removed": (remove("-shm"), "store.db-shm: it is gone"),
    "another renamed over it": (rename_over, "store.db: another file"),
    "restored by hand": (restore_by_hand, "store.db-wal: it is gone"),
    "another copied over it": (copy_over, "overwritten or cut.*store.db"),
    "cut": (cut_the_file, "overwritten or cut.*store.db"),
    "log cut": (cut_the_log, "cut underneath.*store.db-wal"),
    "log replaced": (replace_the_log, "store.db-wal: another file"),
    "moved away": (move_away, "store.db: it is gone"),
    "folder replaced": (replace_the_folder, "store.db: it is gone"),
    "link points elsewhere": (point_the_link_elsewhere, "store.db: another file"),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """In a folder of its own, and a link that leads there."""
    folder = tmp_path / "folder"
    folder.mkdir()
    os.symlink(folder / "store.db", tmp_path / "link.db")
    return folder / "store.db"


@pytest.fixture(params=CHANGES)
def change(request: pytest.FixtureRequest) -> tuple[Callable[[Path], None], str]:
    """A change of the files, and the expected error."""
    return CHANGES[request.param]


async def filled(store: SQLiteSessionStore, file: Path) -> None:
    """Make a session, a backup, and more of it."""
    await store.create_session(new_session())
    await store.add_frames("a", [note(n) for n in range(3)])
    await store.backup(file.parent / "backup.db")
    await store.add_frames("a", [note(n) for n in range(3, 6)])


async def test_a_change_while_idle_refuses_the_next_write_and_read(
    file: Path, change: tuple[Callable[[Path], None], str]
) -> None:
    """Nothing is acknowledged into a file that nobody finds again."""
    do, said = change
    async with SQLiteSessionStore(file.parent.parent / "link.db") as store:
        await filled(store, file)
        do(file)
        with pytest.raises(StoreUnavailable, match=said):
            await store.add_frame(note(9))
        with pytest.raises(StoreUnavailable):
            await store.add_frame(note(9))
        assert store.write_failure is not None
        if "cut" not in said:  # a page in memory may be read still
            with pytest.raises(StoreUnavailable):
                await store.count_frames("a")
        for upkeep in (store.checkpoint, store.vacuum):
            with pytest.raises(StoreUnavailable):
                await upkeep()
        if "cut" not in said:
            with pytest.raises(StoreUnavailable):
                await store.backup(file.parent.parent / "later.db")


async def test_a_change_during_a_wait_for_the_lock_refuses_the_write(
    file: Path, change: tuple[Callable[[Path], None], str]
) -> None:
    """The files are looked at once the lock is there, not before."""
    do, said = change
    async with SQLiteSessionStore(file.parent.parent / "link.db", lock_timeout=60) as store:
        await filled(store, file)
        holder = sqlite3.connect(file, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        waiting = [asyncio.ensure_future(store.add_frame(note(n))) for n in range(3)]
        await asyncio.sleep(0.05)  # most often it waits by then; either way it must hold
        do(file)
        holder.execute("ROLLBACK")
        for each in waiting:
            with pytest.raises(StoreUnavailable, match=said):
                await each
        holder.close()


async def test_a_change_is_reported_to_a_watcher(
    file: Path, change: tuple[Callable[[Path], None], str]
) -> None:
    """A watcher of a file that is gone would wait for ever."""
    do, said = change
    if "cut" in said:
        pytest.skip("what is in memory can be read; the next write says it")
    async with SQLiteSessionStore(file.parent.parent / "link.db") as store:
        await filled(store, file)
        watcher = store.watch_frames("a", after=6)
        waiting = asyncio.ensure_future(anext(watcher))
        await asyncio.sleep(0)
        do(file)
        async with asyncio.timeout(300):
            with pytest.raises(StoreUnavailable, match=said):
                await waiting


async def test_a_watcher_that_waits_is_told_of_a_file_that_is_gone(file: Path) -> None:
    """By the look now and then at the file; the store goes on, and says the same to everyone."""
    async with SQLiteSessionStore(file) as store:
        await filled(store, file)
        waiting = asyncio.ensure_future(anext(store.watch_frames("a", after=6)))
        await asyncio.sleep(0)
        for _ in range(5):  # so the watcher's own looks are over, for news of what was written too
            await store.count_sessions()
        os.unlink(file)
        async with asyncio.timeout(300):
            with pytest.raises(StoreUnavailable, match="it is gone"):
                await waiting
        assert store.is_open
        with pytest.raises(StoreUnavailable, match="it is gone"):
            await store.get_session("a")


async def test_closing_during_a_change_rolls_it_back(file: Path) -> None:
    """The commit would overwrite the writes of another process."""
    async with SQLiteSessionStore(file) as store:
        await filled(store, file)

        def change(session: object) -> None:
            os.unlink(f"{file}-shm")

        with pytest.raises(StoreUnavailable, match=r"store\.db-shm: it is gone"):
            await store.modify_session("a", change)  # type: ignore[arg-type]  # changes nothing
    async with SQLiteSessionStore(file) as again:
        assert await again.count_frames("a") == 6
        assert await again.check() == []


async def test_moved_away_and_back_nothing_is_lost(file: Path) -> None:
    """Nobody looked meanwhile, and the file is the same."""
    async with SQLiteSessionStore(file) as store:
        await filled(store, file)
        os.rename(file, f"{file}.moved")
        os.rename(f"{file}.moved", file)
        assert await store.add_frame(note(7)) == 7


async def test_two_processes_never_write_without_a_common_lock(
    file: Path, other_processes: WorkerProcesses
) -> None:
    """The index holds the locks; without it the next process makes one of its own."""
    async with SQLiteSessionStore(file) as store:
        await filled(store, file)
        os.unlink(f"{file}-shm")
        other = other_processes.start("checkpoint")
        assert await asyncio.to_thread(other_processes.hear, other, "write", "refused") == "write 7"
        with pytest.raises(StoreUnavailable, match=r"store\.db-shm: another file"):
            await store.add_frame(note(9))
    # Closing brought in nothing that it knew from before.
    async with SQLiteSessionStore(file) as again:
        assert await again.count_frames("a") == 7
        assert await again.check() == []


@pytest.mark.parametrize("put", [rename_over, copy_over])
async def test_a_backup_beside_the_log_of_a_crash_is_refused_and_nothing_is_changed(
    file: Path, tmp_path: Path, put: Callable[[Path], None]
) -> None:
    """It would open as a mixture, in which no page looks wrong."""
    crashed = tmp_path / "crashed" / "store.db"
    crashed.parent.mkdir()
    async with SQLiteSessionStore(file) as store:
        await filled(store, file)
        for end in ("", "-wal"):
            shutil.copyfile(f"{file}{end}", f"{crashed}{end}")
        shutil.copyfile(file.parent / "backup.db", crashed.parent / "backup.db")
    put(crashed)
    before = Path(f"{crashed}-wal").read_bytes(), crashed.read_bytes()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"log store.db-wal is not the file's"):
            await SQLiteSessionStore(crashed).open()
    assert (Path(f"{crashed}-wal").read_bytes(), crashed.read_bytes()) == before


async def test_the_log_of_a_crash_is_read_with_its_own_file(file: Path, tmp_path: Path) -> None:
    """After however many checkpoints, made by the store or by another program."""
    async with SQLiteSessionStore(file) as store, SQLiteSessionStore(file) as two:
        await store.create_session(new_session())
        outside = sqlite3.connect(file, isolation_level=None)
        for n in range(12):
            await (store if n % 2 else two).add_frame(note(n))
            if n % 3 == 1:
                await store.checkpoint()
            if n % 4 == 3:
                outside.execute(f"PRAGMA wal_checkpoint({('PASSIVE', 'TRUNCATE')[n % 8 == 7]})")
            copy = tmp_path / f"copy{n}.db"
            for end in ("", "-wal"):
                shutil.copyfile(f"{file}{end}", f"{copy}{end}")
            async with SQLiteSessionStore(copy) as opened:
                assert await opened.count_frames("a") == n + 1
        outside.close()


@pytest.mark.parametrize("how", ["sqlite", "vacuum"])
async def test_older_copies_beside_the_log_are_refused_however_they_were_made(
    file: Path, tmp_path: Path, how: str
) -> None:
    """By SQLite's backup, by VACUUM INTO."""
    copy = tmp_path / "copy.db"
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
    connection = sqlite3.connect(file)
    if how == "sqlite":
        target = sqlite3.connect(copy)
        connection.backup(target)
        target.close()
    else:
        connection.execute("VACUUM INTO ?", (str(copy),))
    connection.close()
    async with SQLiteSessionStore(file) as store:
        await store.add_frames("a", [note(n, size=500) for n in range(50)])
        await store.checkpoint()
        await store.add_frame(note(50))
        shutil.copyfile(f"{file}-wal", f"{copy}-wal")
    with pytest.raises(StoreUnavailable, match="not the file's"):
        await SQLiteSessionStore(copy).open()


async def test_a_log_without_its_file_is_refused(file: Path, tmp_path: Path) -> None:
    """A new file beside it would take its pages for its own."""
    async with SQLiteSessionStore(file) as store:
        await store.create_session(new_session())
        alone = tmp_path / "alone.db"
        shutil.copyfile(f"{file}-wal", f"{alone}-wal")
    with pytest.raises(StoreUnavailable, match=r"its log alone\.db-wal is there"):
        await SQLiteSessionStore(alone).open()
    assert not alone.exists()
