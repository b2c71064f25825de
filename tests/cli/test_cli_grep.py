"""`grep` finds text in messages."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from sessionkeeper import SQLiteSessionStore
from sessionkeeper.cli.app import run

from tests.support.recorded_logs import DOWN, RecordedLog

Capture = pytest.CaptureFixture[str]
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def url(tmp_path: Path) -> str:
    async def fill() -> None:
        first, second = RecordedLog("first"), RecordedLog("second")
        first.call(1, "read", {"content": [{"type": "text", "text": "Größe: 7"}]}, path="/tmp/é")
        first.say(DOWN, b'{"jsonrpc":"2.0","method":"log","params":{"a":"gr\\u00f6\\u00dfer"}}')
        first.say(DOWN, b"Gr\xff booting \x1b[31m")
        second.call(1, "write", text="x" * 500 + "needle" + "y" * 500)
        async with SQLiteSessionStore(tmp_path / "a.db") as store:
            await first.put_into(store)
            await second.put_into(store)

    asyncio.run(fill())
    return f"sqlite:///{tmp_path}/a.db"


def found(capture: Capture) -> list[str]:
    return capture.readouterr().out.splitlines()


def test_a_line_says_where_and_what(url: str, capsys: Capture) -> None:
    """Session, frame, time, direction, method or kind, place, and the text around it."""
    assert run(["grep", "Größe", url]) == 0
    (line,) = found(capsys)
    assert line.startswith("first 2 2026-01-01 00:00:02.000 ← result result.content[0].text: ")
    assert line.endswith("text: Größe: 7")
    assert run(["grep", "/tmp/é", url]) == 0
    assert "→ tools/call params.arguments.path: /tmp/é" in found(capsys)[0]


def test_escaped_letters_cases_and_expressions(url: str, capsys: Capture) -> None:
    for arguments, frames in (
        (["größer"], ["3"]),
        (["GRÖßE", "-i"], ["2", "3"]),
        (["-E", "^gr.{3}r$"], ["3"]),
        (["-E", "booting|needle"], ["4", "1"]),
        (['"method":"log"'], ["3"]),
    ):
        assert run(["grep", *arguments, url]) == 0
        assert [line.split()[1] for line in found(capsys)] == frames, arguments


def test_counts_and_sessions(url: str, capsys: Capture) -> None:
    assert run(["grep", "-c", "tools/call", url]) == 0
    assert found(capsys) == ["first 1", "second 1"]
    assert run(["grep", "-l", "needle", url]) == 0
    assert found(capsys) == ["second"]
    assert run(["grep", "-c", "2.0", url, "first", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"session_id": "first", "count": 3}
    assert run(["grep", "-l", "2.0", url, "--json"]) == 0
    assert [json.loads(line)["session_id"] for line in found(capsys)] == ["first", "second"]


def test_json_has_the_whole_match(url: str, capsys: Capture) -> None:
    assert run(["grep", "needle", url, "second", "--json"]) == 0
    (match,) = map(json.loads, found(capsys))
    assert (match["session_id"], match["seq"], match["method"]) == ("second", 1, "tools/call")
    assert (match["path"], match["matched"]) == ("params.arguments.text", "needle")
    assert match["before"] == "x" * 200


def test_a_line_fits_the_terminal_around_the_match(
    url: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    assert run(["grep", "needle", url]) == 0
    (line,) = found(capsys)
    assert len(line) <= 150
    assert "…xxxx" in line
    assert "xneedley" in line


def test_nothing_found_is_exit_code_1(url: str, capsys: Capture) -> None:
    assert run(["grep", "nowhere", url]) == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "wrong", [["-E", "("], [""], ["-c", "-l", "x"]], ids=["expression", "empty", "both"]
)
def test_wrong_patterns_are_one_line(wrong: list[str], url: str, capsys: Capture) -> None:
    assert run(["grep", *wrong, url]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_matches_do_not_control_the_terminal(url: str, capsys: Capture) -> None:
    """Bytes that are no text, and escape sequences."""
    assert run(["grep", "booting", url]) == 0
    (line,) = found(capsys)
    assert line.isprintable()
    assert "\\udcff booting \\x1b[31m" in line


def test_ctrl_c_ends_an_expression_that_takes_for_ever(tmp_path: Path, start: Start) -> None:
    """In the middle of one message."""

    async def fill() -> None:
        log = RecordedLog("first")
        log.notify("found/first")
        log.notify("a" * 60)
        async with SQLiteSessionStore(tmp_path / "a.db") as store:
            await log.put_into(store)

    asyncio.run(fill())
    grep = start("grep", "-E", "^found|^(a+)+$(?<=b)|^(a|a)*b", f"sqlite:///{tmp_path}/a.db")
    assert grep.stdout is not None
    assert grep.stdout.readline().startswith(b"first 1 ")
    grep.send_signal(signal.SIGINT)
    _, err = grep.communicate()
    assert grep.returncode == 130
    assert err == b"sessionkeeper: interrupted\n"
