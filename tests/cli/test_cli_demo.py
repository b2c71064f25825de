"""`sessionkeeper demo`: the main job on real input, and its check, which must be able to fail."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sessionkeeper import MessageEnvelope, Session, SessionState
from sessionkeeper.cli.app import run
from sessionkeeper.demo.check import check_session
from sessionkeeper.demo.session_setup import SessionSetup
from sessionkeeper.demo.stage import choose_turns

Start = Callable[..., "subprocess.Popen[bytes]"]

SENT = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{}}'


def test_the_stored_frames_equal_the_bytes_of_the_pipes(capsys: pytest.CaptureFixture[str]) -> None:
    """Real clients, real servers, one client killed: all is stored, byte for byte.

    The handlers of signals are afterwards what they were.
    """
    ends = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(signum) for signum in ends]
    code = run(["demo", "--sessions", "3", "--json"])
    assert [signal.getsignal(signum) for signum in ends] == before
    result = json.loads(capsys.readouterr().out)
    assert code == 0, result
    assert result["ok"]
    assert [session["state"] for session in result["sessions"]] == ["closed", "failed", "closed"]
    assert {session["client"] for session in result["sessions"]} >= {"sessionkeeper-demo"}
    assert result["frames"] == sum(session["frames"] for session in result["sessions"])
    assert result["sessions"][0]["server"] == "mcp-time"
    # Messages that wait are stored by one command.
    assert len(result["sessions"]) < result["mailbox"]["commands"]


def test_the_result_is_shown_as_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """For people: the sessions, the last frames of one, the mailbox, the verdict."""
    assert run(["demo", "--sessions", "2"]) == 0
    output = capsys.readouterr().out
    for word in ("Sessions", "Last frames of time-00", "mailbox:", "ok 2 sessions"):
        assert word in output


def test_a_demo_that_breaks_says_in_one_line_which_session_and_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that ends at once: exit code 1, the session and the server's last words."""
    monkeypatch.setattr(
        "sessionkeeper.demo.session_setup._server", lambda *_: ("-m", "no_such_server")
    )
    assert run(["demo", "--sessions", "2"]) == 1
    output = capsys.readouterr()
    assert re.match(r"sessionkeeper: the demo failed: (time-00|git-01|time-01): ", output.err)
    assert "No module named no_such_server" in output.err
    assert output.err.count("\n") == 1


@pytest.mark.parametrize(("load", "turns"), [(0.0, 8), (8.0, 2), (500.0, 2)])
def test_fewer_sessions_talk_at_a_time_on_a_busy_machine(
    monkeypatch: pytest.MonkeyPatch, load: float, turns: int
) -> None:
    """By the cores and the load; never one alone, never more than there are."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0))
    assert choose_turns(25) == turns
    assert choose_turns(2) == 2


def test_ctrl_c_leaves_nothing_behind(start: Start, tmp_path: Path) -> None:
    """Ctrl-C in the middle: exit code 130, no process and no file of the run is left."""
    demo = start("demo", "--sessions", "25")  # it is not over before it is interrupted
    while not list(tmp_path.glob("sessionkeeper-*/*/server-in")):
        assert demo.poll() is None
    demo.send_signal(signal.SIGINT)
    _, err = demo.communicate()
    assert demo.returncode == 130
    assert err.endswith(b"sessionkeeper: interrupted\n")
    assert list(tmp_path.glob("sessionkeeper-*")) == []
    while running(tmp_path):
        pass  # what is killed takes a moment to be gone; the test's time-out is the judge


def running(folder: Path) -> list[str]:
    """Command lines of live processes that name the folder, there or in the environment."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:  # it has ended, or belongs to another user
            continue
        # Servers run with the command line of the fork server, which does not name the folder.
        is_ours = f"{folder}/sessionkeeper-" in command
        if is_ours or b"TMPDIR=" + os.fsencode(folder) in environment:
            found.append(command)
    return found


@pytest.fixture
def setup(tmp_path: Path) -> SessionSetup:
    """A session whose witnesses saw one request and its answer."""
    for name, seen in (("server-in", SENT), ("client-sent", SENT)):
        (tmp_path / name).write_bytes(seen + b"\n")
    for name in ("server-out", "client-received"):
        (tmp_path / name).write_bytes(ANSWER + b"\n")
    return SessionSetup("time-00", "time", (), tmp_path, tmp_path, killed=False)


def stored(sent: bytes = SENT, answer: bytes = ANSWER) -> list[MessageEnvelope]:
    """The frames that the store would return."""
    return [
        MessageEnvelope.of("s", sent, direction="client-to-server"),
        MessageEnvelope.of("s", answer, direction="server-to-client"),
    ]


CLOSED = Session.new(transport_type="stdio", id="s", state=SessionState.CLOSED)


def test_the_check_passes_what_is_right(setup: SessionSetup) -> None:
    """Stored equals seen."""
    check = check_session(setup, CLOSED, stored())
    assert check.faults == ()
    assert check.bytes_sent == len(SENT) + 1


@pytest.mark.parametrize("name", ["server-in", "server-out", "client-sent", "client-received"])
def test_the_check_sees_one_changed_byte(setup: SessionSetup, name: str) -> None:
    """One byte changed at any witness is a fault."""
    seen = bytearray((setup.folder / name).read_bytes())
    seen[10] ^= 1
    (setup.folder / name).write_bytes(seen)
    assert check_session(setup, CLOSED, stored()).faults


def test_a_changed_frame_is_named_with_its_sizes_and_without_its_bytes(setup: SessionSetup) -> None:
    """Which frame, how long it is stored and was seen, and where the difference begins."""
    check = check_session(setup, CLOSED, stored(answer=ANSWER[:-2] + b" }}"))
    assert check.faults == (
        "frame 2, message 1 to the client: 37 bytes are stored, the witness saw 36;"
        " they differ at byte 34",
    )


def test_a_lost_frame_and_one_too_many_are_named(setup: SessionSetup) -> None:
    """The number of the message, its size, and how many more there are."""
    with (setup.folder / "server-out").open("ab") as file:
        file.write(ANSWER + b"\n" + ANSWER + b"\n")
    (setup.folder / "client-received").write_bytes((setup.folder / "server-out").read_bytes())
    assert check_session(setup, CLOSED, stored()).faults == (
        "message 2 to the client is not stored: 36 bytes, 1 more follow",
    )
    twice = [*stored(), *stored()[:1]]
    assert check_session(setup, CLOSED, twice).differences[0] == (
        "frame 3 was never sent to the server: 40 bytes"
    )


def test_changed_traffic_is_named(setup: SessionSetup) -> None:
    """Direction, sizes, and where the difference begins."""
    (setup.folder / "client-received").write_bytes(ANSWER)
    assert check_session(setup, CLOSED, stored()).faults == (
        "the proxy changed the traffic to the client: 37 bytes were written, 36 read;"
        " they differ at byte 36",
    )


def test_an_ending_that_was_not_planned_is_no_difference_of_bytes(setup: SessionSetup) -> None:
    """The state and the reason are reported apart from the content."""
    lost = CLOSED.model_copy(update={"state": SessionState.FAILED, "failure": "client vanished"})
    check = check_session(setup, lost, stored())
    assert check.differences == ()
    assert check.endings == ("the session is failed: client vanished; it should be closed",)


def test_the_check_sees_a_lost_frame_and_a_wrong_state(setup: SessionSetup) -> None:
    """A frame too few, nothing stored, a session that did not end in order: faults."""
    assert check_session(setup, CLOSED, stored()[:1]).faults
    assert check_session(setup, CLOSED, []).faults
    still_open = CLOSED.model_copy(update={"state": SessionState.ACTIVE})
    assert check_session(setup, still_open, stored()).faults


def test_a_killed_clients_record_may_end_early_but_not_before_what_it_read(
    setup: SessionSetup,
) -> None:
    """Later output of its server reaches nobody; every line that the client read is stored."""
    killed = replace(setup, killed=True)
    failed = CLOSED.model_copy(update={"state": SessionState.FAILED})
    with (setup.folder / "server-out").open("ab") as file:
        file.write(ANSWER + b"\n")
    assert check_session(killed, failed, stored()).faults == ()
    assert check_session(setup, CLOSED, stored()).faults
    assert check_session(killed, failed, stored()[:1]).faults
