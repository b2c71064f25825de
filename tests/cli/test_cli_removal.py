"""`sessionkeeper end`, `rm` and `purge`: on sessions of real recorders, and of none."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sessionkeeper import Session, SQLiteSessionStore
from sessionkeeper.cli.app import run

from tests.cli.conftest import PATIENT

Start = Callable[..., "subprocess.Popen[bytes]"]
Capture = pytest.CaptureFixture[str]

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'

LOOKS_TO_THE_END = f"""
{PATIENT}
from sessionkeeper.cli import record_session
record_session._FINISHING = 300
"""
"""How long the look for other recorders takes says how busy the machine is."""

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store in a file that is not there yet."""
    return f"sqlite:///{tmp_path}/tape.db"


@pytest.fixture
def recorder(start: Start, url: str) -> subprocess.Popen[bytes]:
    """A recorder that runs: it has passed one message on, and recorded it."""
    process = start("record", "--require-store", "--store", url, "--", "cat")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(PING)
    process.stdin.flush()
    assert process.stdout.readline() == PING
    asyncio.run(until_recorded(url))
    return process


async def until_recorded(url: str) -> None:
    """Wait until both lines are in the store."""
    async with SQLiteSessionStore(url.removeprefix("sqlite:///")) as store:
        while (await store.statistics()).frames < 2:
            await asyncio.sleep(0.01)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a recorder and wait for its end."""
    process.kill()
    process.wait()


def listed(url: str, capsys: Capture) -> list[dict[str, object]]:
    """The output of `ls --json`."""
    capsys.readouterr()
    run(["ls", url, "--json"])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def add(url: str, *sessions: Session) -> None:
    """Create sessions."""

    async def create() -> None:
        async with SQLiteSessionStore(url.removeprefix("sqlite:///")) as store:
            for session in sessions:
                await store.create_session(session)

    asyncio.run(create())


def live(name: str) -> Session:
    """A session without a lease."""
    return Session.new(id=name, transport_type="stdio")


@on_linux
def test_a_killed_recorder_is_seen_and_its_session_purged(
    recorder: subprocess.Popen[bytes], url: str, capsys: Capture
) -> None:
    """`ls` and `show` say that it is gone; `purge` ends the session and deletes it."""
    (shown,) = listed(url, capsys)
    assert (shown["state"], shown["recorder"]) == ("initializing", "running")
    kill(recorder)
    (shown,) = listed(url, capsys)
    assert (shown["state"], shown["recorder"]) == ("initializing", "gone")
    assert run(["ls", url]) == 0
    assert "recorder gone" in capsys.readouterr().out
    assert run(["show", url, "--", str(shown["id"])]) == 0
    assert f"gone: process {recorder.pid} on " in capsys.readouterr().out
    assert run(["purge", url, "--older-than", "0s", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"dry_run": True, "ended": 1, "purged": 1}
    assert listed(url, capsys) == [shown]
    assert run(["purge", url, "--older-than", "1d"]) == 0
    assert "1 session ended whose recorder is gone; 0 sessions purged" in capsys.readouterr().err
    (ended,) = listed(url, capsys)
    assert (ended["state"], ended["recorder"]) == ("failed", None)
    assert "sessionkeeper.recorder" not in str(ended["metadata"])
    assert "has ended" in str(ended["failure"])
    assert run(["purge", url, "--older-than", "0s", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ended": 0, "purged": 1}
    assert listed(url, capsys) == []
    assert run(["purge", url, "--older-than", "0s"]) == 1


@on_linux
def test_a_recorder_that_opens_a_store_ends_the_sessions_of_those_that_are_gone(
    recorder: subprocess.Popen[bytes], start: Start, url: str, capsys: Capture
) -> None:
    """It does not end the session of a recorder that exists but is stopped."""
    stopped = start("record", "--require-store", "--store", url, "--", "cat")
    while len(listed(url, capsys)) < 2:
        pass
    stopped.send_signal(signal.SIGSTOP)
    kill(recorder)
    third = start("record", "--require-store", "--store", url, "--", "cat")
    # The new one begins its own session while it looks for those that are gone.
    while len(sessions := listed(url, capsys)) < 3 or sessions[0]["state"] != "failed":
        pass
    assert [each["recorder"] for each in sessions[1:]] == ["running", "running"]
    third.communicate(b"")
    stopped.send_signal(signal.SIGCONT)
    stopped.communicate(b"")
    assert [each["state"] for each in listed(url, capsys)] == ["failed", "closed", "closed"]


@on_linux
def test_end_gone_ends_exactly_the_abandoned_sessions(
    recorder: subprocess.Popen[bytes], url: str, capsys: Capture
) -> None:
    """Exit code 1 if there was none."""
    add(url, live("without"))
    assert run(["end", url, "--gone"]) == 1
    kill(recorder)
    capsys.readouterr()
    assert run(["end", url, "--gone", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ended": 1}
    assert [each["state"] for each in listed(url, capsys)] == ["failed", "initializing"]


@on_linux
def test_what_is_being_recorded_is_ended_and_deleted_by_force_only(
    recorder: subprocess.Popen[bytes], url: str, capsys: Capture
) -> None:
    """Without --force it is one line that says how to, and exit code 2."""
    (shown,) = listed(url, capsys)
    for command in ("end", "rm"):
        assert run([command, url, "--", str(shown["id"])]) == 2
        assert "its recorder is running; give --force to" in capsys.readouterr().err
    assert run(["end", url, "--force", "--", str(shown["id"])]) == 0
    assert run(["rm", url, "--force", "--", str(shown["id"])]) == 0
    assert listed(url, capsys) == []
    _, err = recorder.communicate()
    assert recorder.returncode == 0
    assert b"not recorded" in err


def test_end_closes_a_session_or_fails_it_for_a_reason(url: str, capsys: Capture) -> None:
    """By its id or a prefix; one that has ended already is left as it is."""
    add(url, live("first"), live("second"))
    assert run(["end", url, "fir"]) == 0
    assert "session 'first' is closed" in capsys.readouterr().err
    assert run(["end", url, "second", "--reason", "power\x1b[31m"]) == 0
    assert [(each["state"], each["failure"]) for each in listed(url, capsys)] == [
        ("closed", None),
        ("failed", "power\x1b[31m"),
    ]
    assert run(["end", url, "first"]) == 1
    assert "session 'first' has ended already (closed)" in capsys.readouterr().err


def test_rm_deletes_all_it_was_given_or_nothing(url: str, capsys: Capture) -> None:
    """One id that is not known, or the start of several, and nothing is deleted."""
    add(url, live("one"), live("once"), live("two"), live("-three"))
    assert run(["rm", url, "one", "nobody"]) == 1
    assert "no session 'nobody'" in capsys.readouterr().err
    assert run(["rm", url, "two", "on"]) == 2
    assert "2 ids start with it" in capsys.readouterr().err
    assert run(["rm", url, "-three"]) == 2
    assert "put -- before an id that starts with -" in capsys.readouterr().err
    assert len(listed(url, capsys)) == 4
    assert run(["rm", url, "one", "one", "tw", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"deleted": 2}
    assert run(["rm", url, "--", "-three"]) == 0
    assert [each["id"] for each in listed(url, capsys)] == ["once"]


@pytest.mark.parametrize(
    ("answer", "options", "left"),
    [("n", [], 1), ("", [], 1), ("y", [], 0), ("yes", [], 0), (None, ["--yes"], 0)],
)
def test_rm_asks_on_a_terminal(answer: str | None, options: list[str], left: int, url: str) -> None:
    """Only a yes deletes; --yes asks nothing."""
    add(url, live("one"))
    terminal, other_end = pty.openpty()
    command = [sys.executable, "-m", "sessionkeeper", "rm", url, "one", *options]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        command, stdin=other_end, stderr=subprocess.PIPE, env=environment
    ) as process:
        os.close(other_end)
        if answer is not None:
            os.write(terminal, answer.encode() + b"\n")
        assert process.stderr is not None
        said = process.stderr.read()
    os.close(terminal)
    assert (b"delete 1 session with all frames? [y/N]" in said) == (answer is not None)
    assert process.returncode == left
    assert run(["ls", url]) == 1 - left


@pytest.mark.parametrize(
    "arguments",
    [
        ["end"],
        ["end", "one", "--gone"],
        ["end", "--gone", "--reason", "x"],
        ["end", "one", "--reason", ""],
        ["end", "one", "--reason", "x" * 1_025],
        ["end", "one", "--reason", "\udce9"],
        ["rm"],
        ["purge"],
        ["purge", "--older-than", "soon"],
    ],
)
def test_wrong_use_is_one_line(arguments: list[str], url: str, capsys: Capture) -> None:
    """Exit code 2, and nothing has changed."""
    add(url, live("one"))
    assert run([arguments[0], url, *arguments[1:]]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert listed(url, capsys)[0]["state"] == "initializing"


def test_a_dry_run_counts_what_purge_deletes(url: str, capsys: Capture) -> None:
    """By the same bounds, however long ago; nothing changes."""
    add(url, live("one"), live("two"))
    assert run(["end", url, "one"]) == 0
    for bounds, count in {
        ("--older-than", "0s"): 1,
        ("--older-than", "999999999w"): 0,
        ("--ended-before", "2020-01-01"): 0,
        ("--ended-before", "2100-01-01", "--older-than", "1d"): 0,
        ("--ended-before", "2100-01-01"): 1,
    }.items():
        capsys.readouterr()
        assert run(["purge", url, *bounds, "--dry-run"]) == 1 - count
        sessions = "session" if count == 1 else "sessions"
        assert f"and purge {count} {sessions}" in capsys.readouterr().err
    assert len(listed(url, capsys)) == 2
    assert run(["purge", url, "--older-than", "999999999w"]) == 1


@on_linux
def test_a_recorder_that_ends_at_once_has_looked_for_those_that_are_gone(
    recorder: subprocess.Popen[bytes], start: Start, url: str, capsys: Capture
) -> None:
    """Its server need not run for long."""
    kill(recorder)
    command = ("record", "--require-store", "--store", url, "--", "true")
    start(*command, before=LOOKS_TO_THE_END).communicate(b"")
    assert [each["state"] for each in listed(url, capsys)] == ["failed", "closed"]
