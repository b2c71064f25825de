"""`stats`, `problems` and `runs`: what is worth a look in a store."""

from __future__ import annotations

import asyncio
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from sessionkeeper import SessionState, SQLiteSessionStore
from sessionkeeper.cli.app import run
from sessionkeeper.cli.problem_groups import ProblemGroups
from sessionkeeper.recording import Problem, ProblemKind

from tests.support.recorded_logs import START, RecordedLog

Capture = pytest.CaptureFixture[str]
HOSTILE = "\x1b]0;mine\x07\u202e"


def conversation(name: str, *, tool: str = "read") -> RecordedLog:
    """Frames 1 to 10: a list of two tools, two results, an isError, an error."""
    log = RecordedLog(name)
    tools = [{"name": each, "description": "x", "inputSchema": {}} for each in (tool, "write")]
    log.ask(1, "tools/list")
    log.answer(1, {"tools": tools})
    log.call(2, tool, {"content": [{"type": "text", "text": "é" * 100}]}, path="a")
    log.call(3, tool, {"content": []}, after=2.5, path="b")
    log.call(4, tool, {"isError": True, "content": [{"type": "text", "text": "denied"}]})
    log.ask(5, "tools/forget")
    log.fail(5, -32601, "no such method")
    return log


@pytest.fixture
def url(tmp_path: Path) -> str:
    async def fill() -> None:
        async with SQLiteSessionStore(tmp_path / "a.db") as store:
            await conversation("first").put_into(store)
            await RecordedLog("second").put_into(
                store, state=SessionState.FAILED, failure="server crashed", server="git"
            )
            await conversation("third", tool=HOSTILE).put_into(store, client="other")

    asyncio.run(fill())
    return f"sqlite:///{tmp_path}/a.db"


def lines(capture: Capture) -> list[str]:
    return capture.readouterr().out.splitlines()


def objects(capture: Capture) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(capture)]


def test_stats_of_a_store_have_counters_calls_and_contexts(url: str, capsys: Capture) -> None:
    """One under the other; one object as JSON."""
    assert run(["stats", url]) == 0
    shown = capsys.readouterr().out
    places = [shown.index(each) for each in ("frames ", "tools/call", "of results")]
    assert places == sorted(places)
    assert run(["stats", url, "--json"]) == 0
    (found,) = objects(capsys)
    assert (found["sessions"], found["frames"]) == (3, 20)
    read = next(each for each in found["methods"] if each["name"] == "read")
    assert (read["count"], read["errors"], read["p50"], read["longest"]) == (3, 1, 1, 2.5)
    (cost,) = (each for each in found["contexts"] if each["server"] == "files")
    assert (cost["sessions"], cost["never_called"]) == (2, ["write"])
    assert [each["text_bytes"] for each in cost["tools"] if each["name"] == "read"] == [206]


def test_stats_of_a_session_have_only_its_calls(url: str, capsys: Capture) -> None:
    assert run(["stats", url, "first", "--json"]) == 0
    (found,) = objects(capsys)
    assert found.keys() == {"session", "methods", "contexts"}
    assert found["session"] == "first"
    assert run(["stats", url, "second"]) == 0
    assert lines(capsys) == ["no calls"]
    assert run(["stats", url, "nobody"]) == 1


def test_stats_of_the_store_alone_read_no_messages(url: str, capsys: Capture) -> None:
    assert run(["stats", url, "--store", "--json"]) == 0
    (found,) = objects(capsys)
    assert "methods" not in found
    assert run(["stats", url, "first", "--store"]) == 2
    assert "--store" in capsys.readouterr().err


def test_stats_fit_a_narrow_terminal(
    url: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns go by importance; the tool and the number of its calls stay."""
    monkeypatch.setenv("COLUMNS", "40")
    assert run(["stats", url, "first"]) == 0
    shown = lines(capsys)
    table = [line for line in shown if "read" in line]
    assert len(table) == 2
    assert all(len(line) <= 40 for line in table)
    assert table[0].split()[-1] == "3"


def test_many_tools_are_shown_on_demand(tmp_path: Path, capsys: Capture) -> None:
    async def fill() -> None:
        log = RecordedLog()
        log.ask(1, "tools/list")
        log.answer(1, {"tools": [{"name": f"tool-{each:02}"} for each in range(14)]})
        async with SQLiteSessionStore(tmp_path / "a.db") as store:
            await log.put_into(store)

    asyncio.run(fill())
    url = f"sqlite:///{tmp_path}/a.db"
    assert run(["stats", url, "last"]) == 0
    shown = capsys.readouterr().out
    assert "tool-09" in shown
    assert "tool-10" not in shown
    assert "and 4 tools more; --all shows all" in shown
    assert run(["stats", url, "last", "--all"]) == 0
    assert "tool-13" in capsys.readouterr().out


def test_problems_are_grouped_and_the_newest_come_first(url: str, capsys: Capture) -> None:
    """Each has the command that shows it, which can be pasted into a shell. Exit code 1."""
    assert run(["problems", url]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("✗ session-failed  git")
    assert "server crashed" in shown
    assert "✗ error  tools/forget  files" in shown
    assert "  2 times\n" in shown
    assert "error -32601: no such method" in shown
    assert shown.endswith("5 problems in all sessions: 5 errors, 0 warnings\n")
    commands = [line.strip() for line in shown.splitlines() if "sessionkeeper show" in line]
    assert f"sessionkeeper show {shlex.quote(url)} second" in commands
    assert f"sessionkeeper show {shlex.quote(url)} third 10" in commands
    for command in commands:
        assert run(shlex.split(command)[1:4]) == 0


def test_problems_of_a_session_may_be_chosen(url: str, capsys: Capture) -> None:
    """By kind, by time, and by what is slow."""
    assert run(["problems", url, "first", "--slow", "2s", "--json"]) == 1
    found = objects(capsys)
    assert [(each["kind"], each["seq"]) for each in found] == [
        ("slow", 6),
        ("tool-error", 8),
        ("error", 10),
    ]
    assert found[2]["command"] == f"sessionkeeper show {shlex.quote(url)} first 10"
    assert found[2]["severity"] == "error"
    assert found[2]["call"]["error_code"] == -32601
    assert run(["problems", url, "first", "--kind", "gap", "--kind", "odd-frame"]) == 0
    assert lines(capsys) == ["no problems in session first"]
    assert run(["problems", url, "--since", "2026-01-02", "--kind", "error"]) == 0
    assert run(["problems", url, "--since", "2025-01-02", "--kind", "error"]) == 1
    for wrong in ["--slow", "soon"], ["--since", "soon"], ["--kind", "sad"]:
        capsys.readouterr()
        assert run(["problems", url, *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_only_some_groups_are_shown(url: str, capsys: Capture) -> None:
    assert run(["problems", url, "--limit", "1"]) == 1
    shown = capsys.readouterr().out
    assert shown.count("sessionkeeper show") == 1
    assert "3 older groups are not shown, --limit 0 shows all" in shown


def test_groups_are_bounded() -> None:
    """However many tools a client names; those beyond are one group of their kind."""
    groups = ProblemGroups()
    for number in range(3_000):
        groups.add(
            Problem(
                kind=ProblemKind.GAP,
                session_id="s",
                seq=number,
                time=START,
                server=None,
                text=f"reason {number}",
            )
        )
    found = groups.newest_first()
    assert len(found) == 1_001
    assert sum(group.count for group in found) == 3_000
    assert groups.errors == 0


def test_the_password_of_a_store_is_in_no_command(capsys: Capture) -> None:
    from sessionkeeper.cli.problems import _command

    problem = Problem(kind=ProblemKind.GAP, session_id="s", seq=1, time=START, server=None, text="")
    assert _command(problem, "redis://:hunter2@h/0?prefix=a") == "sessionkeeper show STORE s 1"


def test_runs_have_one_row_each(url: str, capsys: Capture) -> None:
    """With the sessions below, if asked for."""
    assert run(["runs", url]) == 0
    shown = lines(capsys)
    assert [line.split()[0] for line in shown] == ["client", "other", "editor"]
    assert "files, git" in shown[2]
    assert "1 failed" in shown[2]
    assert run(["runs", url, "--sessions", "--limit", "2"]) == 0
    shown = lines(capsys)
    assert [line.split()[0] for line in shown[1:]] == [
        "other",
        "third",
        "editor",
        "first",
        "second",
    ]
    assert run(["runs", url, "--json"]) == 0
    newest, editor = objects(capsys)
    assert editor["sessions"] == ["first", "second"]
    assert (editor["calls"], editor["errors"], editor["exact"]) == (5, 2, True)
    assert newest["client_name"] == "other"


def test_runs_may_be_limited(url: str, capsys: Capture) -> None:
    """To the newest, or to what was used since."""
    assert run(["runs", url, "--limit", "1"]) == 0
    assert "1 older run not shown; --limit 0 shows all" in capsys.readouterr().out
    assert run(["runs", url, "--since", "2999-01-01"]) == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("command", ["stats", "problems", "runs"])
def test_what_others_wrote_does_not_control_the_terminal(
    url: str, command: str, capsys: Capture
) -> None:
    """Names of tools, texts of errors, names of clients."""
    run([command, url])
    shown = capsys.readouterr().out
    assert all(each.isprintable() or each == "\n" for each in shown)
    assert command == "runs" or "\\x1b]0;mine" in shown
