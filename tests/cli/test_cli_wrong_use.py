"""Wrong use: one line on stderr, exit code 2, no traceback."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise

import pytest
from sessionkeeper.cli.app import _commands, run


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["--no-such-flag"],
        ["demo", "--no-such-flag"],
        ["demo", "--sessions", "many"],
        ["demo", "--sessions", "1"],
        ["demo", "--sessions", "100000"],
        ["demo", "superfluous"],
        ["record"],
        ["record", "--no-such-flag", "--", "cat"],
        ["record", "--require-store", "--store", "sqlite:////dev/null", "--", "cat"],
        ["record", "--require-store", "--store", "redis://user:hunter2@localhost:1", "--", "cat"],
        ["record", "--store", "nonsense", "--", "cat"],
        ["record", "--store", "", "--", "cat"],
    ],
)
def test_wrong_use_is_reported_in_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown command, bad flag, bad value: one line and exit code 2."""
    code = run(arguments)
    output = capsys.readouterr()
    assert code == 2
    assert output.out == ""
    assert output.err.startswith("sessionkeeper: ")
    assert output.err.count("\n") == 1
    assert "hunter2" not in output.err


def test_without_arguments_it_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """Help that helps: every command is named."""
    assert run([]) == 0
    output = capsys.readouterr().out
    assert "record" in output
    assert "demo" in output
    assert "check" in output


@pytest.mark.parametrize("command", ["record", "demo", "check"])
def test_each_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` prints what the command does and its options."""
    assert run([command, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize("command", sorted(_commands(None)))
def test_the_help_of_a_command_fills_the_lines_of_the_terminal(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line ends early only where a paragraph or a table does, not where the source's did."""
    monkeypatch.setenv("COLUMNS", "80")
    assert run([command, "--help"]) == 0
    text = re.split(r"^╭", capsys.readouterr().out, maxsplit=1, flags=re.M)[0]
    lines = [line.rstrip() for line in text.splitlines()]
    assert max(map(len, lines)) <= 80
    for line, after in pairwise(lines):
        if line and after:
            assert len(line) + 1 + len(after.split()[0]) >= 80, line


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [("typer", [], "cli"), ("mcp", ["demo"], "demo"), ("mcp_server_time", ["demo"], "demo")],
)
def test_a_missing_extra_is_named(missing: str, arguments: list[str], extra: str) -> None:
    """The error for a missing package names the command that installs it."""
    hide = f"import sys; sys.modules[{missing!r}] = None; sys.path[:] = {sys.path!r}"
    call = f"sys.argv[1:] = {arguments!r}; from sessionkeeper.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", f"{hide}; {call}"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert f"sessionkeeper[{extra}]" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` names the program and its version."""
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("sessionkeeper 0.")
