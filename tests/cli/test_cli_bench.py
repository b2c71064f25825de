"""`sessionkeeper bench`: a table, JSON, a page, clear lines for wrong use, and Ctrl-C."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sessionkeeper.cli.app import run

QUICK = ["--seconds", "0.5", "--warmup", "0", "--rounds", "1", "--sessions", "10"]

OWN = """
import asyncio
from pathlib import Path

from sessionkeeper import PlainSessionStore


class Begins(PlainSessionStore):
    async def get_session(self, session_id, /):
        Path("begun").touch()
        return await super().get_session(session_id)


class Loses(PlainSessionStore):
    async def add_frame(self, envelope, /):
        return 1


class Fills(PlainSessionStore):
    many = 0

    async def create_session(self, session, /):
        self.many += 1
        if self.many > 1_000:
            Path("filling").touch()
            await asyncio.sleep(0.02)
        return await super().create_session(session)


class NoStore:
    pass
"""


@pytest.mark.any_loop
def test_a_table_a_file_of_json_and_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was measured, three times; programs read every number. What is in the folder where one
    is does not come before the standard library."""
    (tmp_path / "random.py").write_text("raise SystemExit('this is no standard library')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    page, numbers = tmp_path / "page.html", tmp_path / "bench.json"
    asked = ["--store", "plain", "--store", "sqlite:///own.db", "--callers", "1,8"]
    assert run(["bench", *asked, *QUICK, "--output", str(numbers), "--html", str(page)]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    lines = output.out.splitlines()
    assert [line.strip() for line in lines if line.startswith("conversation")] == [
        "conversation, 1 caller, 10 sessions",
        "conversation, 8 callers, 10 sessions",
    ]
    assert lines[1].split()[:2] == ["store", "ops/s"]
    assert "plain: no durability" in lines
    assert {f"written: {page}", f"written: {numbers}"} < set(lines)
    assert "<svg" in page.read_text()
    told = json.loads(numbers.read_text())
    assert (told["interrupted"], told["loop"], told["workers"]) == (False, "uvloop", 1)
    assert [subject["name"] for subject in told["subjects"]] == ["plain", "own.db"]
    for subject in told["subjects"]:
        assert [each["load"]["callers"] for each in subject["measured"]] == [1, 8]
        for each in subject["measured"]:
            assert each["latency"]["count"] == sum(work["count"] for work in each["works"]) > 0
            assert each["latency"]["p50_us"] <= each["latency"]["p9999_us"]
            assert each["stored"]["lost_messages"] == 0


@pytest.mark.any_loop
def test_a_loss_is_exit_code_1_and_only_json_goes_to_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A store of one's own, found where one is, in an open loop on stock asyncio."""
    (tmp_path / "loses_of_mine.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    asked = ["--store", "loses_of_mine:Loses", "--mix", "append", "--rate", "20"]
    sizes = ["--loop", "asyncio", "--payload", "100B,2KB", "--json"]
    assert run(["bench", *asked, *QUICK, *sizes]) == 1
    told = json.loads(capsys.readouterr().out)
    [measured] = told["subjects"][0]["measured"]
    assert told["loop"] == "asyncio"
    assert (measured["load"]["rate"], measured["load"]["sizes"]) == (20.0, [100, 2048])
    assert measured["latency"]["count"] == pytest.approx(10, abs=1)
    assert measured["stored"]["lost_messages"] == measured["stored"]["messages"] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--store", "plane"], "did you mean plain?"),
        (["--store", "zzz"], "expected a URL or one of memory, sqlite"),
        (["--store", "no_such_module:Store"], "there is no module 'no_such_module'"),
        (["--store", "pathlib:Path"], "'pathlib:Path' is not a SessionStore"),
        (["--store", "http://x"], "did you mean redis://x ?"),
        (["--store", "own.db"], "did you mean sqlite:///own.db ?"),
        (["--store", "redis:/user:hunter2@host"], "neither a URL nor module:Class"),
        (["--store", "sqlite:///no/such/folder/x.db"], "the folder does not exist"),
        (["--store", "pykka"], "pykka is not installed: pip install 'sessionkeeper[perf-peers]'"),
        (["--mix", "cocktail"], "expected one of conversation, single"),
        (["--callers", "none"], "'none': expected 1 to 100,000"),
        (["--callers", "0"], "'0': expected 1 to 100,000"),
        (["--rate", "-1"], "'-1': expected 0.1 to 1,000,000"),
        (["--rate", "1", "--callers", "1"], "use only one of them"),
        (["--payload", "2GB"], "100B to 1MB"),
        (["--payload", "1B"], "100B to 1MB"),
        (["--callers", ""], "'': expected 1 to 100,000"),
        (["--seconds", "nan"], "--seconds"),
        (["--warmup", "inf"], "--warmup"),
        (["--store", "aiocache=redis://localhost"], "aiocache takes no URL"),
        (["--store", "cashews-redis=nonsense"], "cashews-redis=redis://HOST"),
        (
            ["--sessions", "1000000", "--frames-each", "20", "--payload", "1MB"],
            "at most 16 GB of messages",
        ),
        (["--growth", "--workers", "2"], "--workers: cannot be used with --growth"),
        (["--growth", "--half"], "--half: cannot be used with --growth"),
        (["--max-size", "5000"], "--max-size: requires --growth"),
        (["--output", "both", "--html", "./both"], "two different files"),
        (["--output", "x" * 300], "cannot be written"),
        (["--workers", "2"], "memory cannot be shared by"),
        (["--seconds", "0"], "--seconds"),
        (["--loop", "trio"], "--loop"),
        (["--sessions", "0"], "'0': expected 1 to 1,000,000"),
        (["--sessions", "1000000", "--frames-each", "50"], "at most 20,000,000 messages"),
        (["--rate", "1", "--half"], "cannot be used with --rate"),
        (["--store", "redis://"], "with a host"),
        (["--growth", "--max-size", "10"], "--max-size"),
        (["--html", "/no/such/folder/page.html"], "cannot be written"),
        (["--output", "/no/such/folder/bench.json"], "cannot be written"),
        (["surplus"], "surplus"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The error comes before anything runs."""
    monkeypatch.setitem(sys.modules, "pykka", None)
    assert run(["bench", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert said in output.err
    assert "hunter2" not in output.err
    assert len(output.err.splitlines()) == 1


def test_a_file_that_is_there_is_not_filled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody's sessions may be in it."""
    file = tmp_path / "tape.db"
    file.write_bytes(b"precious")
    assert run(["bench", "--store", f"sqlite:///{file}", *QUICK]) == 2
    assert "exists already" in capsys.readouterr().err
    assert file.read_bytes() == b"precious"


@pytest.mark.any_loop
def test_an_interrupt_keeps_what_was_measured(start: Any, tmp_path: Path) -> None:
    """Ctrl-C in the first round of many: it is shown and written, marked, and 130 is returned."""
    (tmp_path / "begins.py").write_text(OWN)
    files = ["--output", "bench.json", "--html", "page.html"]
    asked = ["--callers", "4", "--seconds", "3600", "--warmup", "0"]
    process = start("bench", "--store", "begins:Begins", *asked, *files)
    until_there(tmp_path / "begun", process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert err.decode().splitlines() == ["sessionkeeper: interrupted"]
    assert b"begins:Begins" in out
    assert "interrupted" in (tmp_path / "page.html").read_text()
    told = json.loads((tmp_path / "bench.json").read_text())
    assert told["interrupted"] is True
    [measured] = told["subjects"][0]["measured"]
    assert measured["rounds"] == 1
    assert measured["latency"]["count"] > 0
    assert measured["stored"]["checked"] is True


@pytest.mark.any_loop
def test_an_interrupt_during_the_fill_keeps_the_earlier_rounds(start: Any, tmp_path: Path) -> None:
    """SIGTERM does as Ctrl-C; of a round in which nothing was measured yet nothing is shown."""
    (tmp_path / "fills.py").write_text(OWN)
    asked = ["--mix", "read", "--callers", "1", "--seconds", "0.5", "--warmup", "0"]
    sizes = ["--rounds", "1", "--sessions", "10,30000", "--json"]
    process = start("bench", "--store", "fills:Fills", *asked, *sizes)
    until_there(tmp_path / "filling", process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGTERM, err
    told = json.loads(out)
    assert told["interrupted"] is True
    [measured] = told["subjects"][0]["measured"]
    assert measured["load"]["sessions"] == 10
    assert not [each for each in tmp_path.iterdir() if each.name.startswith("sessionkeeper-bench")]


def until_there(file: Path, process: Any) -> None:
    """Wait for what a store says by making a file."""
    deadline = time.monotonic() + 300
    while not file.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
