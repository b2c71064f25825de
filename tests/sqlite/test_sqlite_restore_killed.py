"""A restore that ends anywhere: the old store or the new one opens whole."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from pathlib import Path

import pytest
from sessionkeeper import StoreUnavailable

from tests.sqlite.restore_worker import restore, restore_failing, restore_killed
from tests.sqlite.test_sqlite_restore import content, fill, held

OLD, NEW = {"a": 4, "b": 5}, {"a": 3}


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Where the backup is."""
    return tmp_path / "elsewhere" / "backup.db"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The store, in a folder of its own."""
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "store.db"


def again(file: Path, made: Path) -> None:
    """Put the files of before there once more."""
    shutil.rmtree(file.parent)
    shutil.copytree(made, file.parent)


@pytest.mark.parametrize("crashed", [False, True])
async def test_ended_at_any_step_it_leaves_the_old_store_or_the_new_one(
    file: Path, backup: Path, tmp_path: Path, crashed: bool
) -> None:
    """With a log beside the old file and without, before and after each call."""
    await fill(file, backup, crashed=crashed)
    states: list[dict[str, bytes]] = []

    def look(event: str, called: object) -> None:
        state = content(file.parent)
        if not states or state != states[-1]:
            states.append(state)

    restore(str(backup), str(file), look)
    found: list[dict[str, int]] = []
    for k, state in enumerate(states):
        folder = tmp_path / str(k)
        folder.mkdir()
        for name, data in state.items():
            (folder / name).write_bytes(data)
        found.append(await held(folder / "store.db"))
    change = found.index(NEW)
    assert change > 5
    assert found == [OLD] * change + [NEW] * (len(found) - change)


async def test_a_kill_leaves_the_old_store_or_the_new_one(
    file: Path, backup: Path, tmp_path: Path
) -> None:
    """The same with real kills, at some of the steps."""
    await fill(file, backup, crashed=True)
    shutil.copytree(file.parent, tmp_path / "made")
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.sqlite.restore_worker"])
    found: list[dict[str, int]] = []
    for k in range(20, 1_000, 45):
        again(file, tmp_path / "made")
        process = processes.Process(target=restore_killed, args=(str(backup), str(file), k))
        process.start()
        process.join()
        found.append(await held(file))
        if process.exitcode == 0:
            break
        assert process.exitcode == -9
    assert found[0] == OLD
    assert found[-1] == NEW
    assert all(each in (OLD, NEW) for each in found)


@pytest.mark.parametrize("crashed", [False, True])
async def test_the_old_store_stays_whichever_system_call_fails(
    file: Path, backup: Path, tmp_path: Path, crashed: bool
) -> None:
    """An error, and nothing of ours is left beside it."""
    await fill(file, backup, crashed=crashed)
    shutil.copytree(file.parent, tmp_path / "made")
    found: list[dict[str, int]] = []
    for k in range(1_000):
        again(file, tmp_path / "made")
        try:
            if restore_failing(str(backup), str(file), k):
                break
        except (OSError, StoreUnavailable):
            names = {each.name for each in file.parent.iterdir()}
            assert names <= {f"store.db{end}" for end in ("", "-wal", "-shm")}
            found.append(await held(file))
    assert len(found) > 8
    # The last call is the folder's sync, after the rename.
    assert OLD in found
    assert all(each == OLD for each in found[:-2])
    assert await held(file) == NEW
    assert os.listdir(file.parent) == ["store.db"]
