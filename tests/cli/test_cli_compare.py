"""`sessionkeeper compare`: the matrix, an exit code for CI, and no traceback."""

from __future__ import annotations

import importlib
import json
import math
import os
import re
import signal
import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest
from sessionkeeper.cli.app import run
from sessionlab.cli import compare as command
from sessionlab.designs import (
    COLUMNS,
    DESIGNS,
    RIGHT,
    WORKLOADS,
    WRONG,
    Cell,
    Comparison,
    Design,
    kill_cell,
)

QUICK = ["--seeds", "3"]

OWN = """
import asyncio
import threading

from sessionkeeper import PlainSessionStore


class Right(PlainSessionStore):
    "As it should be."


class Wrong(PlainSessionStore):
    async def count_frames(self, session_id, /):
        return await super().count_frames(session_id) + 1


class Threaded(PlainSessionStore):
    async def create_session(self, session, /):
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        threading.Thread(target=loop.call_soon_threadsafe, args=(done.set_result, 1)).start()
        await done
        return await super().create_session(session)
"""

BEGINS = """
import os

from sessionlab.designs.wrong import BareSetResult


class Begins(BareSetResult):
    def __init__(self):
        super().__init__()
        with open("begun", "w") as file:
            file.write(str(os.getpid()))
"""

LEAVES = """
from sessionkeeper import PlainSessionStore


class Leaves(PlainSessionStore):
    async def add_frame(self, envelope, /):
        raise SystemExit(0)
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the current folder, which is not on the path."""
    (tmp_path / "stores_of_mine.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "stores_of_mine", raising=False)
    return "stores_of_mine"


def test_two_designs_as_a_matrix(capsys: pytest.CaptureFixture[str]) -> None:
    """A word in each cell, the anomaly and the call that replays it below."""
    assert run(["compare", "actor", "read-modify-write", *QUICK]) == 0
    output = capsys.readouterr()
    lines = output.out.splitlines()
    assert lines[0].split() == ["design", *dict(COLUMNS)]
    held = ["✓", "holds"] * len(WORKLOADS)
    assert lines[1].split() == ["actor", *held, "–", "not", "offered"]
    assert lines[2].split()[:3] == ["read-modify-write", "✗", "broken"]
    assert "read-modify-write, updates: lost update after 1 history" in output.out
    assert 'sessionlab.designs.replay_cell("read-modify-write", "updates", "x1:")' in output.out
    assert "everything is as expected" in output.out
    assert output.err == ""


def test_json_is_the_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    """All of it, and what is not as expected."""
    assert run(["compare", "count-apart", "plain", "--json", *QUICK]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["design"] for row in told["rows"]] == ["count-apart", "plain"]
    assert told["unexpected"] == []
    [cell] = [cell for cell in told["rows"][0]["cells"] if cell["workload"] == "counting"]
    assert (cell["verdict"], cell["picture"]["anomaly"]) == ("broken", "drift")
    assert [name for name, _ in told["workloads"]] == list(dict(COLUMNS))


def test_a_third_party_store_can_be_measured(own: str, capsys: pytest.CaptureFixture[str]) -> None:
    """0 when it holds, 1 when a cell is broken; its module is looked for where one is."""
    assert run(["compare", f"{own}:Right", *QUICK]) == 0
    assert run(["compare", f"{own}:Right", f"{own}:Wrong", "actor", *QUICK]) == 1
    shown = capsys.readouterr().out
    assert f"not as expected: {own}:Wrong: counting is broken" in shown
    assert f"not as expected: {own}:Right" not in shown
    assert f'replay_cell("{own}:Wrong", "counting"' in shown


def test_a_design_that_cannot_be_explored_is_reported(
    own: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each cell has a star, which is explained."""
    assert run(["compare", f"{own}:Threaded", *QUICK]) == 0
    shown = capsys.readouterr().out
    assert "✓ holds* " in shown
    assert "* run on real event loops" in shown


def test_a_store_in_a_file_says_how_often_it_was_run_and_killed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers stand in its cells, since they are not those of the others."""

    def kill(design: Design, *, kills: int) -> Cell:
        # About each second kill shows what is wrong: four are too few to be sure.
        return kill_cell(design, kills=kills if design.flaw is None else 100, seconds=math.inf)

    comparing = importlib.import_module("sessionlab.designs.compare")
    monkeypatch.setattr(comparing, "kill_cell", kill)
    assert run(["compare", "sqlite", "autocommit-a-frame", "--seeds", "4"]) == 0
    right, wrong = capsys.readouterr().out.splitlines()[1:3]
    assert right.split()[:4] == ["sqlite", "✓", "holds*", "2"]
    assert right.rstrip().endswith("✓ holds 4")
    assert re.search(r"✗ broken \d+$", wrong.rstrip())


@pytest.mark.parametrize(
    ("option", "designs"),
    [("--only-right", RIGHT), ("--only-wrong", WRONG)],
    ids=["right", "wrong"],
)
def test_half_of_the_catalogue(
    option: str, designs: tuple[Any, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The right or the wrong ones."""
    assert run(["compare", option, "--json", "--seeds", "1"]) in (0, 1)
    told = json.loads(capsys.readouterr().out)
    assert [row["design"] for row in told["rows"]] == [design.name for design in designs]


def test_a_wrong_design_that_is_not_caught_is_exit_code_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One order alone does not show a listing that is torn."""
    assert run(["compare", "listing-over-awaits", "--seeds", "1"]) == 1
    assert "no torn read was found in listing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plane"], "did you mean plain?"),
        (["no_such:Store"], "there is no module 'no_such'"),
        (["plain", "--seeds", "0"], "seeds"),
        (["plain", "--loop", "trio"], "loop"),
        (["--only-right", "--only-wrong"], "use only one of them"),
        (["plain", "--html", "/no/such/folder/page.html"], "cannot be written"),
        (["plain", "--html", "."], "cannot be written"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error comes before anything runs."""
    assert run(["compare", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert said in output.err
    assert len(output.err.splitlines()) == 1


def test_the_page_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the part that draws it, which gets the comparison and the file."""
    page = types.ModuleType("sessionlab.designs.report")

    def write_report(comparison: Comparison, path: Path) -> None:
        path.write_text(comparison.rows[0].design)

    page.write_report = write_report  # type: ignore[attr-defined]  # that is what is made here
    monkeypatch.setitem(sys.modules, "sessionlab.designs.report", page)
    file = tmp_path / "page.html"
    assert run(["compare", "plain", "--html", str(file), *QUICK]) == 0
    assert file.read_text() == "plain"
    assert f"written: {file}" in capsys.readouterr().out


def test_the_bar_goes_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are as many steps as announced."""
    steps: list[str] = []

    def compared(designs: Any, run: Any, **_: Any) -> Any:
        assert list(designs) == [DESIGNS["plain"]]
        return run(steps.append)

    monkeypatch.setattr(command, "_compare_with_progress", compared)
    assert run(["compare", "plain", *QUICK]) == 0
    assert len(steps) == len(COLUMNS)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupt_is_one_line_and_exit_code_130(
    number: signal.Signals, start: Any, tmp_path: Path
) -> None:
    """An interrupt in the middle: no traceback, no partial result; 143 after SIGTERM."""
    (tmp_path / "begins.py").write_text(BEGINS)
    process = start("compare", "begins:Begins", "--seeds", "1000000")
    deadline = time.monotonic() + 300
    begun = tmp_path / "begun"
    while not (begun.exists() and begun.read_text()):
        assert time.monotonic() < deadline
        assert process.poll() is None
    process.send_signal(number)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 128 + number, err
    assert (out, err.decode().splitlines()) == (b"", ["sessionkeeper: interrupted"])
    with pytest.raises(ProcessLookupError):  # the store's own process went first
        os.kill(int(begun.read_text()), 0)


def test_a_store_that_ends_its_process_is_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a whole table, in which it says what the store did."""
    (tmp_path / "leaving.py").write_text(LEAVES)
    (tmp_path / "random.py").write_text("raise RuntimeError('this is no standard library')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert run(["compare", "leaving:Leaves", "--seeds", "1", "--loop", "asyncio"]) == 1
    output = capsys.readouterr()
    assert output.err == ""
    assert "✗ raised SystemExit" in output.out
    assert "not as expected: leaving:Leaves: numbering is broken (raised SystemExit)" in output.out
    assert "leaving" not in sys.modules
