"""`sessionkeeper bench --peers`: a table, JSON, a page, what is missing, wrong use, and Ctrl-C."""

from __future__ import annotations

import importlib
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sessionkeeper.cli.app import run
from sessionlab.bench.peers import PEERS, pip_command
from sessionlab.bench.side_by_side import LINES, select_lines
from sessionlab.cli.bench_run import stop_on_signal
from sessionlab.pages.formatting import format_ratio

QUICK = ["bench", "--peers", "--seconds", "0.05", "--rounds", "2", "--loop", "asyncio"]


def test_a_table_a_file_of_json_and_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same ratio three times, with its spread."""
    page, numbers = tmp_path / "peers.html", tmp_path / "peers.json"
    asked = ["--lines", "MEMORY: add_frames", "--lines", "pykka", "-o", str(numbers)]
    assert run([*QUICK, *asked, "--html", str(page)]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    result = json.loads(numbers.read_bytes())
    assert [(line["storage"], line["what"], line["rounds"]) for line in result["lines"]] == [
        ("memory", "add_frames of 64", 2),
        ("memory", "ask", 2),
    ]
    side = result["lines"][0]["theirs"][0]
    assert side["name"] == "locked lists"
    assert 0 < side["ratio"]["low"] <= side["ratio"]["median"] <= side["ratio"]["high"]
    assert not result["interrupted"]
    for shown in (output.out, page.read_text("utf-8")):
        assert "locked lists" in shown
        assert "memory: add_frames of 64" in shown
        assert format_ratio(side["ratio"]["median"]) in shown


def test_a_peer_that_is_not_installed_is_named_with_the_command_that_adds_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are measured; without a server its lines are left out, which is said."""
    monkeypatch.setitem(sys.modules, "pykka", None)
    assert run([*QUICK, "--lines", "memory: ask", "--lines", "redis: get", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [side["name"] for side in result["lines"][0]["theirs"]] == ["bare hand-off"]
    assert {each["name"]: each["reason"] for each in result["absent"]} == {
        "pykka": "not installed: pip install pykka",
        "Redis: get": "needs a server: --redis redis://localhost:6379",
    }


def test_a_side_that_fails_is_left_out_and_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One peer that breaks takes nothing from the others."""
    pykka = importlib.import_module("sessionlab.bench.peers.pykka")

    async def breaks(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(pykka.PykkaActor, "ask", breaks)
    assert run([*QUICK, "--lines", "pykka", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["absent"] == [{"name": "pykka", "reason": "memory: ask: ZeroDivisionError"}]
    assert [side["name"] for side in result["lines"][0]["theirs"]] == ["bare hand-off"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--peers", "--mix", "hot"], "cannot be used with --peers"),
        (["--lines", "ask"], "requires --peers"),
        (["--redis", "redis://localhost"], "requires --peers"),
        (["--postgres", "postgresql://localhost"], "requires --peers"),
        (["--peers", "--lines", "no such"], "no line has 'no such' in it; there are: memory: from"),
        (["--peers", "--redis", "localhost:6379"], "expected a URL such as redis://"),
        (["--peers", "--redis", "redis://user:secret@127.0.0.1:1"], "no server answers there"),
        (["--peers", "--postgres", "localhost"], "--postgres: expected a URL such as postgresql:"),
        (["--peers", "--postgres", "redis://u:secret@h"], "--postgres: expected a URL such as"),
        (["--peers", "--postgres", "postgresql://u:secret@h/d?x=1"], "--postgres: the option x"),
        (
            ["--peers", "--postgres", "POSTGRESQL://u:secret@h/d?connect_timeout=1"],
            "--postgres: connect_timeout and sslmode=no-verify are not known to the peers",
        ),
        (
            ["--peers", "--postgres", "postgresql://u:secret@127.0.0.1:1/d"],
            "--postgres: 127.0.0.1:1: the server cannot be reached: nothing listens",
        ),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    asked: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is measured, and no password is shown."""
    assert run(["bench", *asked]) == 2
    output = capsys.readouterr()
    assert told in " ".join(output.err.split())
    assert "secret" not in output.err
    assert output.out == ""


def test_an_interrupt_shows_what_is_measured_so_far(start: Any, tmp_path: Path) -> None:
    """Ctrl-C ends it between two turns; the file is written too."""
    numbers = tmp_path / "peers.json"
    asked = ["--lines", "memory: add_frames", "--rounds", "1000", "--seconds", "3000"]
    process = start("bench", "--peers", *asked, "-o", str(numbers))
    turns: set[str] = set()
    while len(turns) < 8:  # two probes, two to warm up, and a round of both sides
        turns.update(each.name for each in tmp_path.glob("sessionkeeper-bench-*"))
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert err.decode().splitlines() == ["sessionkeeper: interrupted"]
    result = json.loads(numbers.read_bytes())
    assert result["interrupted"]
    [line] = result["lines"]
    assert 1 <= line["rounds"] < 1_000
    assert b"locked lists" in out
    assert not [*tmp_path.glob("sessionkeeper-bench-*")]


def test_lines_are_chosen_by_their_names_and_by_those_beside_them() -> None:
    """Without regard to case."""
    assert select_lines(["cashews"]) == select_lines(["CASHEWS", "aiocache"])
    assert len(select_lines(["redis:"])) == 3
    assert select_lines([line.title for line in LINES]) == LINES


def test_pip_is_told_the_name_of_a_package_not_of_a_module() -> None:
    """Each is in the extra that brings all of them."""
    needed = {module for peer in PEERS.values() for module in peer.needs}
    assert pip_command("agents") == "pip install openai-agents"
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    for module in needed - {"cachetools", "diskcache"}:
        name = pip_command(module).removeprefix("pip install ").strip("'").split("<")[0]
        assert f'"{name.partition("[")[0]}' in text, module


def test_a_signal_is_told_at_once_and_a_second_one_stops_what_goes_on() -> None:
    """A slow side takes seconds: its user sees that Ctrl-C was heard."""
    told: list[int | None] = []
    with stop_on_signal() as asked:
        asked.on_signal = lambda: told.append(asked.number)
        signal.raise_signal(signal.SIGTERM)
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert told == [signal.SIGTERM]
    assert asked.code == 128 + signal.SIGTERM
