"""Kills of the process: the right store loses nothing acknowledged; faults are named."""

from __future__ import annotations

import gc
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sessionkeeper import StoreLimits
from sessionlab import AnomalyKind
from sessionlab.designs import (
    DESIGNS,
    RIGHT,
    CellVerdict,
    Design,
    compare,
    find_design,
    kill_cell,
    unexpected,
)
from sessionlab.designs.kills.spawner import start_spawner

KILLS = 40

# Stores of somebody's own, each in a file or so it says.
OWN = '''
import os
from pathlib import Path

from sessionkeeper import PlainSessionStore, SQLiteSessionStore
from sessionkeeper.backends.sqlite.writer import SQLiteWriter


class Mine(SQLiteSessionStore):
    """Takes a path, and no limits."""

    def __init__(self, path):
        super().__init__(path, durability="os")


class Remembers(PlainSessionStore):
    """Takes a path and writes nothing there."""

    def __init__(self, path):
        super().__init__()


class Single(SQLiteSessionStore):
    """Has no frames at once."""

    async def add_frames(self, *arguments, **more):
        raise NotImplementedError


class Raises(SQLiteSessionStore):
    """Has a bug."""

    async def add_frame(self, envelope, /):
        raise KeyError("secret")


class Tells(SQLiteSessionStore):
    """Says which process it is in."""

    def __init__(self, path):
        super().__init__(path)
        Path("pid").write_text(str(os.getpid()))


class AfterTheAnswer(SQLiteWriter):
    def commit(self):
        return None if self._writing else super().commit()

    def tidy(self):
        if self._connection.in_transaction:
            super().commit()
        return super().tidy()


class Early(SQLiteSessionStore):
    """Commits as soon as the answer is on its way."""

    _writer_type = AfterTheAnswer

    def __init__(self, path):
        super().__init__(path, durability="os")  # a kill while the disk syncs shows nothing
'''


@pytest.fixture
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module with them, found here and by the processes that are started."""
    (tmp_path / "own_files.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_files", raising=False)
    return "own_files"


def files_left(folder: Path) -> list[str]:
    """The content of the folder for temporary files."""
    return [each.name for each in folder.iterdir()]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files, here and in the processes that are started."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_no_alarm_on_the_right_store() -> None:
    """However often it is killed, everything acknowledged exists and no batch is torn."""
    cell = kill_cell(DESIGNS["sqlite"], kills=KILLS)
    assert (cell.verdict, cell.picture, cell.how) == (CellVerdict.HOLDS, None, "killed")
    assert 0 < cell.histories <= KILLS


@pytest.mark.parametrize(
    "name",
    ["autocommit-a-frame", pytest.param("acknowledged-before-commit", marks=pytest.mark.long)],
)
def test_a_wrong_store_is_found_at_any_random_moment(name: str) -> None:
    """It is found with every seed; the picture marks the wrong calls and the read afterwards."""
    design = DESIGNS[name]
    assert design.flaw is not None
    for seed in range(3):
        named = replace(design, name=f"{name} {seed}")
        cell = kill_cell(named, kills=200, seconds=math.inf)
        assert cell.picture is not None
        assert cell.picture.anomaly == design.flaw.anomaly
        *calls, look = cell.picture.bars
        assert (look.name, look.blocked, look.client) == ("get_frames", True, 4)
        marked = [bar for bar in calls if bar.blocked]
        torn = name == "autocommit-a-frame"
        assert marked
        assert {bar.returned is None for bar in marked} == {torn}
        assert all(bar.returned is None or bar.call < bar.returned < look.call for bar in calls)


def test_a_store_that_answers_an_instant_too_early_is_found_out(own_files: str) -> None:
    """A window as short as one commit is wide enough."""
    cell = kill_cell(find_design(f"{own_files}:Early"), kills=200, seconds=math.inf)
    assert cell.picture is not None
    assert cell.picture.anomaly == AnomalyKind.LOST_WRITE


def test_a_process_is_killed_in_the_middle_of_its_work(temporary: Path) -> None:
    """It had the file open: nobody brought the log into it. Afterwards nothing is left."""
    with start_spawner("sessionkeeper:SQLiteSessionStore") as spawner:
        for _ in range(2):
            told = spawner.kill_after(5, 0.0)
            assert told.created
            assert len(told.acks) >= 5
            assert Path(f"{told.path}-wal").stat().st_size > 0
    assert files_left(temporary) == []


def test_the_content_of_the_designs_is_removed(temporary: Path) -> None:
    """A store in a file has a folder to itself, for as long as there is the store."""
    for design in RIGHT:
        store = design.make(StoreLimits())
        assert bool(files_left(temporary)) is (design.file is not None)
        del store
        gc.collect()
        assert files_left(temporary) == []


@pytest.mark.parametrize(
    ("name", "verdict", "anomaly"),
    [
        ("Mine", CellVerdict.HOLDS, None),
        ("Single", CellVerdict.HOLDS, None),
        ("Remembers", CellVerdict.BROKEN, "lost write"),
        ("Raises", CellVerdict.UNKNOWN, None),
    ],
)
def test_a_third_party_store_with_a_path_can_be_killed(
    own_files: str, name: str, verdict: CellVerdict, anomaly: str | None
) -> None:
    """By its name, in a process that finds it as this one does."""
    cell = kill_cell(find_design(f"{own_files}:{name}"), kills=10)
    assert (cell.workload, cell.verdict, cell.how) == ("kills", verdict, "killed")
    assert (cell.picture and cell.picture.anomaly) == anomaly


def test_a_comparison_says_what_a_kill_shows(own_files: str) -> None:
    """It is a column like the others; a store without a file does not offer it."""
    designs = [DESIGNS["plain"], find_design(f"{own_files}:Remembers")]
    comparison = compare(designs, seeds=1, loops={})
    name, promise = comparison.workloads[-1]
    assert name == "kills"
    assert "survive a kill" in promise
    plain, forgets = (row.cells[-1].verdict for row in comparison.rows)
    assert (plain, forgets) == (CellVerdict.NOT_OFFERED, CellVerdict.BROKEN)
    assert unexpected(comparison)[-1] == f"{own_files}:Remembers: kills is broken"


def test_a_design_that_cannot_be_opened_is_not_said_to_hold() -> None:
    """A store that did not start was not tested."""
    design = Design("gone", DESIGNS["sqlite"].make, "", None, file="sessionkeeper:no_such_store")
    assert kill_cell(design, kills=3).verdict is CellVerdict.UNKNOWN


def test_no_process_outlives_the_one_that_kills(
    own_files: str, temporary: Path, tmp_path: Path
) -> None:
    """Even if that one is killed itself: its children end, and so do theirs."""
    program = (
        "from sessionlab.designs.kills.spawner import start_spawner\n"
        f"with start_spawner('{own_files}:Tells') as spawner:\n"
        "    spawner.kill_after(1, 3600)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killer = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, env=environment)
    pid = tmp_path / "pid"
    wait_until(lambda: pid.exists() and pid.read_text() != "")
    killer.kill()
    killer.wait()
    wait_until(lambda: not is_alive(int(pid.read_text())))
    wait_until(lambda: files_left(temporary) == [])


def wait_until(is_so: Callable[[], bool]) -> None:
    """Look again and again, for as long as a busy machine may need."""
    deadline = time.monotonic() + 300
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
