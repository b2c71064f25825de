"""The options of `record`: what is read at once is what the whole command line would have read."""

from __future__ import annotations

import inspect
import os
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest
from sessionkeeper.cli import record as record_module
from sessionkeeper.cli.app import run
from sessionkeeper.cli.record_http import HttpOptions
from sessionkeeper.cli.record_options import RecordOptions, parse_usual

from tests.cli.test_cli_record import ANSWERING, PING, Start, server
from tests.cli.test_cli_record_store import read

USUAL = [
    ["server"],
    ["--", "server"],
    ["server", "--json", "--store", "x", "--", "y"],
    ["--", "server", "--", "--quiet"],
    ["--", "--strange-name", "-q"],
    ["-q", "--json", "--stderr", "--", "server"],
    ["--store", "sqlite:///tape.db", "--", "server"],
    ["--store=sqlite:////var/a b.db", "--require-store", "server"],
    ["--store", "redis://user:secret@host:6379/0?prefix=mine", "--", "server"],
    ["--store", "memory:", "--store", "memory://", "server"],
    ["--require-store", "--best-effort", "server"],
    ["--best-effort", "--require-store", "server"],
    ["--name", "before the fix", "--tag", "a", "--tag=b=c", "--tag", "a", "server"],
    ["--max-message", "1KiB", "--max-message=2 mib", "--", "server"],
    ["--name", "--json", "server"],
]
UNUSUAL = [
    [],
    ["--"],
    ["--quiet"],
    ["--help"],
    ["-h", "server"],
    ["--store"],
    ["--store", "nonsense", "server"],
    ["--store", "redis://host/0?nonsense=1", "server"],
    ["--store", "redis://host/0?prefix=%0a", "server"],
    ["--store", "sqlite:///a%00b", "server"],
    ["--max-message", "none", "server"],
    ["--name", "", "server"],
    ["--name", "\x1b[31m", "server"],
    ["--tag", "a" * 129, "server"],
    ["--quiet=1", "server"],
    ["-qq", "server"],
    ["--tags", "a", "server"],
    ["https://example.com/mcp"],
]


def read_by_the_command(arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> RecordOptions:
    """What the command itself makes of them."""
    read: list[RecordOptions] = []

    def keep(options: RecordOptions) -> int:
        read.append(options)
        return 0

    monkeypatch.setattr(record_module, "run_recorder", keep)
    assert run(["record", *arguments]) == 0
    return read[0]


@pytest.mark.parametrize("arguments", USUAL, ids=" ".join)
def test_a_usual_command_line_is_read_as_the_command_reads_it(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two readers, one meaning."""
    options = parse_usual(arguments)
    assert options is not None
    assert options == read_by_the_command(arguments, monkeypatch)


@pytest.mark.parametrize("arguments", UNUSUAL, ids=repr)
def test_any_other_command_line_is_left_to_the_command(arguments: list[str]) -> None:
    """It has the errors and the help."""
    assert parse_usual(arguments) is None


def test_every_option_can_be_read_at_once() -> None:
    """A new option of the command needs its line in the other reader, unless it is of HTTP."""
    parameters = inspect.signature(record_module.record).parameters
    known = {"tags" if each == "tag" else each for each in parameters}
    assert known == {*RecordOptions._fields, *HttpOptions._fields}


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ([], "give the command of the server"),
        (["--name", "", "true"], "--name"),
        (["--tag", "a\nb", "true"], "--tag"),
        (["--tag", "a" * 129, "true"], "--tag"),
        (["--max-message", "0", "true"], "--max-message"),
    ],
    ids=repr,
)
def test_wrong_options_are_one_line(start: Start, arguments: list[str], what: str) -> None:
    """Exit code 2, and no server."""
    proxy = start("record", *arguments)
    out, err = proxy.communicate()
    assert (proxy.returncode, out) == (2, b"")
    assert err.count(b"\n") == 1
    assert what.encode() in err


def test_a_session_has_its_name_tags_and_client(start: Start, tmp_path: Path) -> None:
    """They are in the store from the beginning."""
    url = f"sqlite:///{tmp_path}/tape.db"
    names = ("--name", "before the fix", "--tag", "a", "--tag", "b")
    proxy = start("record", "--store", url, *names, *server(ANSWERING, "0"))
    proxy.communicate(PING)
    session, _ = read(tmp_path / "tape.db")
    assert session.tags == {"a", "b"}
    assert session.metadata["sessionkeeper.name"] == "before the fix"
    client = session.metadata["sessionkeeper.client"]
    assert client == {"host": socket.gethostname(), "pid": os.getpid()}
