"""Commands whose standard streams are not those of a terminal: closed, or of another encoding."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import termios
import time
from array import array
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from sessionkeeper.cli.app import run
from sessionkeeper.cli.console import interruptible, run_on_loop

Start = Callable[..., "subprocess.Popen[bytes]"]

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{}}\n'
EXPORT = "\n".join(
    json.dumps(line)
    for line in (
        {"format": "sessionkeeper-export", "version": 1},
        {"session": {"id": "a", "transport_type": "stdio"}, "frames": 500, "trimmed": 0},
        *(
            {
                "seq": seq,
                "message": '{"jsonrpc":"2.0","method":"%s"}' % ("x" * 1000),
                "direction": "client-to-server",
                "timestamp": "2026-01-01T00:00:00Z",
                "delivery": None,
                "protocol_version": None,
                "metadata": {},
            }
            for seq in range(1, 501)
        ),
        {"end": {"sessions": 1}},
    )
)
ANSWERING = f"import sys\nfor line in sys.stdin: print({ANSWER.decode()!r}, end='', flush=True)"


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_tap_records_whatever_descriptor_is_closed(
    start: Start, tmp_path: Path, closed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """No other file takes the number: libuv ended the process over it, or it hung."""
    url = f"sqlite:///{tmp_path}/tape.db"
    command = ("--", sys.executable, "-I", "-S", "-c", ANSWERING)
    proxy = start("record", "--require-store", "--store", url, *command, closed=closed)
    out, err = proxy.communicate(PING)
    assert proxy.returncode == 0
    assert out == (ANSWER if closed == 2 else b"")
    assert (b"frames recorded" in err) == (closed != 2)
    assert run(["ls", url, "--json"]) == 0
    # Without a stdout the answer could not be handed on.
    state = "failed" if closed == 1 else "closed"
    assert json.loads(capsys.readouterr().out)["state"] == state


def test_a_file_that_cannot_be_written_is_an_error(start: Start, tmp_path: Path) -> None:
    """One line and exit code 2, not an export that went nowhere, and no second complaint."""
    (tmp_path / "a.jsonl").write_text(
        '{"format":"sessionkeeper-export","version":1}\n{"end":{"sessions":0}}\n'
    )
    url = f"sqlite:///{tmp_path}/tape.db"
    assert run(["import", url, str(tmp_path / "a.jsonl")]) == 0
    process = start("export", url, closed=1)
    out, err = process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert err == b"sessionkeeper: output: Bad file descriptor\n"


def test_a_terminal_that_has_not_every_character_gets_it_escaped(
    start: Start, tmp_path: Path
) -> None:
    """Ids that are cut, and the direction of a frame: not worth a traceback."""
    url = f"sqlite:///{tmp_path}/tape.db"
    command = ("--", sys.executable, "-I", "-S", "-c", ANSWERING)
    start("record", "--require-store", "--store", url, *command).communicate(PING)
    out, err = start("ls", url, encoding="ascii").communicate()
    assert err == b""
    found = out.split(b"\\u2026")[0].split()[-1].decode()  # how the one id begins
    # By chance it begins like an option.
    shown, err = start("tail", url, "--", found, encoding="latin-1").communicate()
    assert err == b""
    assert b" \\u2192 ping\n" in shown


def test_a_fault_of_sqlite_is_shown_by_stats_and_not_on_stderr(tmp_path: Path) -> None:
    """Standard error belongs to the command, whatever SQLite this Python has."""
    program = (
        "import sqlite3;"
        "sqlite3.sqlite_version, sqlite3.sqlite_version_info = '3.40.1', (3, 40, 1);"
        "from sessionkeeper.cli import main; main()"
    )
    url = f"sqlite:///{tmp_path}/tape.db"
    (tmp_path / "a.jsonl").write_text(EXPORT)
    assert run(["import", url, str(tmp_path / "a.jsonl")]) == 0
    for command, warns in (["ls", url], False), (["stats", url], True):
        done = subprocess.run(
            [sys.executable, "-c", program, *command], capture_output=True, check=True
        )
        assert (done.stderr, b"WAL-reset bug" in done.stdout) == (b"", warns)


def test_ctrl_c_ends_an_import_that_waits_for_more(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line and 130: it is heard in a read that blocks, and no second Ctrl-C is needed."""
    url = f"sqlite:///{tmp_path}/tape.db"
    process = start("import", url)
    assert process.stdin is not None
    process.stdin.write(b'{"format":"sessionkeeper-export","version":1}\n')
    for name in b"a", b"b":
        head = b'{"session":{"id":"%b","transport_type":"stdio"},"frames":0,"trimmed":0}\n'
        process.stdin.write(head % name)
    process.stdin.flush()
    deadline = time.monotonic() + 300
    # The second one is begun when the first one was imported.
    while run(["ls", url]) != 0 or "\nb " not in capsys.readouterr().out:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(1800) == 130
    assert process.stderr is not None
    said = process.stderr.read()
    assert re.fullmatch(rb"sessionkeeper: interrupted; [12] imported before it\n", said)


@pytest.mark.parametrize("run_main", [asyncio.run, run_on_loop])
def test_ctrl_c_just_before_a_call_that_blocks_is_not_lost(
    run_main: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    """The loop's handler has cancelled the task, which would notice it only after the call."""
    began: list[str] = []

    async def main() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        with interruptible():
            began.append("a call that blocks")

    with pytest.raises(KeyboardInterrupt):
        run_main(main())
    assert began == []


@pytest.mark.parametrize("command", [["export"], ["tail", "a", "-n", "1000", "-f"]])
def test_ctrl_c_ends_what_waits_for_its_reader(
    start: Start, tmp_path: Path, command: list[str]
) -> None:
    """A pipe is full, and nobody empties it: at the end of the process neither."""
    (tmp_path / "a.jsonl").write_text(EXPORT)
    url = f"sqlite:///{tmp_path}/tape.db"
    assert run(["import", url, str(tmp_path / "a.jsonl")]) == 0
    process = start(command[0], url, *command[1:])
    assert process.stdout is not None
    found, before = array("i", [0]), -1
    while found[0] == 0 or found[0] != before:  # it has begun, and then goes on no more
        before = found[0]
        time.sleep(0.2)
        fcntl.ioctl(process.stdout, termios.FIONREAD, found)
    process.send_signal(signal.SIGINT)
    assert process.wait(1800) == 130
    assert process.stderr is not None
    assert process.stderr.read() == b"sessionkeeper: interrupted\n"
