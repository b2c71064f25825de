"""Habits of every command: -h, --json as a flag, files by --output, help in plain words."""

from __future__ import annotations

import re
import subprocess
from typing import Any, get_args, get_type_hints

import pytest
from sessionkeeper.cli.app import _commands, make_app, run
from typer.main import get_command
from typer.models import OptionInfo

COMMANDS = sorted(_commands(None))
PRINTS_NO_DATA = frozenset({"export"})
"""`export` writes a file format of its own, which is JSON Lines."""
PATHS = frozenset({"output", "html"})
"""Options that name a file to write."""


def parameters(command: str) -> list[Any]:
    """Return the options and arguments of a command."""
    root: Any = get_command(make_app())
    return list(root.commands[command].params)


@pytest.mark.parametrize("command", ["", *COMMANDS])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_has_help_under_both_names(
    command: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also the program itself."""
    assert run([command, option] if command else [option]) == 0
    assert "Usage: sessionkeeper" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_json_is_a_flag_of_every_command_that_prints_data(command: str) -> None:
    """It takes no value: --output names a file."""
    found = [each for each in parameters(command) if "--json" in each.opts]
    if command in PRINTS_NO_DATA:
        assert not found
    else:
        assert [each.is_flag for each in found] == [True]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_to_write_goes_by_one_name(command: str) -> None:
    """`--output`, also as -o; `--html` for a page."""
    hints = get_type_hints(_commands(None)[command](), include_extras=True)
    files = {
        name
        for name, hint in hints.items()
        if "Path" in str(get_args(hint)[:1])
        and any(isinstance(each, OptionInfo) for each in get_args(hint)[1:])
    }
    assert files <= PATHS
    for each in parameters(command):
        if each.name == "output":
            assert {"--output", "-o"} <= set(each.opts)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_and_argument_is_explained_in_plain_words(command: str) -> None:
    """A sentence that begins with a capital or a code word, and ends with a full stop."""
    root: Any = get_command(make_app())
    texts = [root.commands[command].help, *(each.help for each in parameters(command))]
    for text in texts:
        assert text
        assert re.fullmatch(r"(Output of `|[A-Z]).*[.!]", text.strip(), re.DOTALL), text


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_uses_h_for_anything_else(command: str) -> None:
    """One letter, one meaning."""
    letters: dict[str, list[str]] = {}
    for each in parameters(command):
        for name in (*each.opts, *each.secondary_opts):
            letters.setdefault(name, []).append(each.name)
    assert "-h" not in letters
    assert all(len(each) == 1 for each in letters.values())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_a_script_that_completes(shell: str, start: Any) -> None:
    """`--show-completion` prints it, for the shell that is named by the environment of a test."""
    process = start(
        "--show-completion", shell, variables={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    )
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, b"")
    assert b"_SESSIONKEEPER_COMPLETE" in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("sessionkeeper ", {"record", "ls", "check", "bench"}),
        ("sessionkeeper ex", {"export"}),
        ("sessionkeeper ls --", {"--state", "--json", "--full", "--newest"}),
        ("sessionkeeper compare --only-", {"--only-right", "--only-wrong"}),
    ],
)
def test_words_are_completed(words: str, expected: set[str], start: Any) -> None:
    """Commands of both packages and their options, as the script of bash asks for them."""
    process = start(
        variables={
            "_SESSIONKEEPER_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
        }
    )
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert expected <= set(out.decode().split())


def test_the_completion_of_bash_is_valid(start: Any) -> None:
    """bash reads the script without complaint."""
    process = start(
        "--show-completion", "bash", variables={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    )
    script, _ = process.communicate(timeout=300)
    read = subprocess.run(["bash", "-n"], input=script, capture_output=True, check=False)
    assert (read.returncode, read.stderr) == (0, b"")
