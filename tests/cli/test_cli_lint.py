"""`lint` finds secrets that were recorded, and `rm --frames` takes them out."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from planted_secrets import fake
from sessionkeeper import ManagerConfig, SessionManager, StdioDelivery
from sessionkeeper.recording import SessionRecorder
from sessionkeeper.recording.origin import Origin
from sessionkeeper.recording.redaction import Redactor
from sessionkeeper.stores.config import SQLiteBackend
from sessionkeeper.stores.factory import StorageFactory
from sessionkeeper.values.gap import Gap
from sessionkeeper.values.states import Direction

_TOKEN = f"ghp_{fake(36)}"
_CLIENT = Direction.CLIENT_TO_SERVER
_LINES = (
    b'{"jsonrpc":"2.0","method":"x","params":{"arguments":{"key":"%b"}}}' % _TOKEN.encode(),
    b'{"jsonrpc":"2.0","method":"y"}',
    b'[{"jsonrpc":"2.0","method":"x"},{"jsonrpc":"2.0","method":"x","params":{"a b":"%b"}}]'
    % _TOKEN.encode(),
    b"password=%b" % fake(12).encode(),
    b'{"jsonrpc":"2.0","method":"x","params":{"%b":"\\u001b[31m"}}' % _TOKEN.encode(),
)


def _run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sessionkeeper", *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join(sys.path)},
    )


@pytest.fixture
async def tape(tmp_path: Path) -> Path:
    store = await StorageFactory.create(SQLiteBackend(path=str(tmp_path / "tape.db")))
    now = datetime.now(UTC)
    async with store, SessionManager.with_store(store, ManagerConfig.recording()) as manager:
        recorder = await SessionRecorder.open(manager, ["server"], id="open")
        for line in _LINES:
            await recorder.record(_CLIENT, line, now)
        await recorder.record_gap(_CLIENT, Gap.of(b"x " + _TOKEN.encode(), "too large"), now)
        old = StdioDelivery(command=("server", "--key", _TOKEN))
        for _ in range(2):
            await recorder.record(_CLIENT, _LINES[1], now, origin=Origin(delivery=old))
        await recorder.complete()
        redactor = Redactor.of(["secrets"])
        recorder = await SessionRecorder.open(manager, ["server"], id="hidden", redactor=redactor)
        for line in _LINES:
            await recorder.record(_CLIENT, line, now)
        await recorder.complete()
    return tmp_path


async def test_lint_names_the_place_and_never_the_secret(tape: Path) -> None:
    run = _run(tape, "lint", "sqlite:///tape.db", "--json")
    assert run.returncode == 1, run.stderr
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert {each["session"] for each in found} == {"open"}
    assert [(each["seq"], each["kind"], each["path"]) for each in found] == [
        (1, "github-token", "$.params.arguments.key"),
        (3, "github-token", "$[1].params['a b']"),
        (4, "password", None),
        (5, "github-token", "$.params.[redacted:github-token]"),
        (6, "github-token", "$.first"),
        (6, "github-token", "$.last"),
        (7, "github-token", "$.delivery.command[2]"),
    ]
    shown = _run(tape, "lint", "sqlite:///tape.db", "open")
    assert shown.returncode == 1
    assert len(shown.stdout.splitlines()) == len(found)
    assert "looked at 2 sessions, 13 frames" in run.stderr
    assert "--redact passwords --redact tokens" in run.stderr
    assert "rm --frames 1,3-7 sqlite:///tape.db open" in shown.stderr
    for text in (run.stdout, run.stderr, shown.stdout, shown.stderr):
        assert _TOKEN[:10] not in text
        assert fake(12) not in text
        assert "\x1b" not in text


async def test_the_command_that_lint_prints_takes_it_out(tape: Path) -> None:
    run = _run(tape, "rm", "sqlite:///tape.db", "open", "--frames", "1,3-6, 7", "--json")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {"removed": 6}
    again = _run(tape, "lint", "sqlite:///tape.db", "open")
    assert again.returncode == 1  # frame 8 has the same command line
    assert "frame 8" in again.stdout
    assert _run(tape, "rm", "sqlite:///tape.db", "open", "--frames", "8").returncode == 0
    clean = _run(tape, "lint", "sqlite:///tape.db")
    assert clean.returncode == 0
    assert clean.stdout == ""
    assert "looked at 2 sessions, 13 frames" in clean.stderr
    assert "no secret found" in clean.stderr


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ("0", "as 3,7-9"),
        ("3-2", "as 3,7-9"),
        ("x", "as 3,7-9"),
        ("", "as 3,7-9"),
        ("9", "the last frame of open is 8"),
        ("1-999999999999999", "the last frame of open is 8"),
    ],
)
async def test_wrong_numbers_of_frames_are_one_line(tape: Path, numbers: str, why: str) -> None:
    run = _run(tape, "rm", "sqlite:///tape.db", "open", "--frames", numbers)
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert why in run.stderr


async def test_frames_are_those_of_one_session(tape: Path) -> None:
    run = _run(tape, "rm", "sqlite:///tape.db", "open", "hidden", "--frames", "1")
    assert run.returncode == 2
    assert "name one session" in run.stderr
