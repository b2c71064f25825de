"""Wrong use of the commands on a store: one line, exit code 2, and no file made."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sessionkeeper import StoreUnavailable
from sessionkeeper.cli.app import run
from sessionkeeper.cli.stores import run_command

COMMANDS = [
    ["ls"],
    ["calls"],
    ["show", "id"],
    ["tail", "id", "-f"],
    ["stats"],
    ["grep", "x"],
    ["problems"],
    ["runs"],
    ["export"],
    ["end", "id"],
    ["rm", "id"],
    ["purge", "--older-than", "1d"],
    ["copy", "sqlite:///target.db"],
]
URLS = ["memory://", "redis://user:hunter2@localhost", "nonsense", "", "sqlite:///no.db"]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_an_unknown_store_is_reported_in_one_line(
    command: list[str],
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file that is not there is not made, and no password is shown."""
    monkeypatch.chdir(tmp_path)
    assert run([command[0], url, *command[1:]]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("sessionkeeper: ")
    assert output.err.count("\n") == 1
    assert "hunter2" not in output.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["ls"],
        ["ls", "sqlite:///no.db", "--state", "asleep"],
        ["ls", "sqlite:///no.db", "--since", "noon"],
        ["calls", "sqlite:///no.db", "--slow", "fast"],
        ["show", "sqlite:///no.db"],
        ["show", "sqlite:///no.db", "last", "first"],
        ["tail", "sqlite:///no.db", "id", "-n", "many"],
        ["purge", "sqlite:///no.db"],
        ["purge", "sqlite:///no.db", "--older-than", "a while"],
        ["purge", "sqlite:///no.db", "--ended-before", "yesterday"],
        ["import", "memory://", "export.jsonl"],
        ["import", "sqlite:///no.db", "missing.jsonl"],
    ],
)
def test_bad_arguments_are_reported_in_one_line(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A missing or bad value: one line and exit code 2."""
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [
        *("ls", "calls", "show", "tail", "grep", "problems", "stats", "runs", "export", "import"),
        *("end", "rm", "purge", "restore"),
    ],
)
def test_each_command_on_a_store_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` shows the arguments, and the error names the command."""
    assert run([command, "--help"]) == 0
    assert "sqlite:///tape.db" in capsys.readouterr().out
    assert run([]) == 0
    assert f" {command} " in capsys.readouterr().out


def test_the_notes_of_an_error_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """That half a session is left, say; also where Ctrl-C was what ended it."""

    async def fail(error: BaseException) -> int:
        try:
            error.add_note("it could not be deleted again")
            raise error
        except StoreUnavailable:
            raise
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None  # as a runner does

    assert run_command(fail(StoreUnavailable("the disk is full"))) == 2
    assert capsys.readouterr().err.endswith("is full; it could not be deleted again\n")
    assert run_command(fail(asyncio.CancelledError())) == 130
    assert capsys.readouterr().err.endswith("interrupted; it could not be deleted again\n")
