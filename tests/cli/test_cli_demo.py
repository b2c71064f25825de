"""`sessionkeeper demo`: the main job on real input, and its check, which must be able to fail."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sessionkeeper import MessageEnvelope, Session, SessionState
from sessionkeeper.cli.app import run
from sessionkeeper.demo.check import check_session
from sessionkeeper.demo.servers import Plan

Start = Callable[..., "subprocess.Popen[bytes]"]

SENT = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{}}'


@pytest.mark.timeout(180)
def test_the_stored_frames_equal_the_bytes_of_the_pipes(capsys: pytest.CaptureFixture[str]) -> None:
    """Real clients, real servers, one client killed: all is stored, byte for byte."""
    code = run(["demo", "--sessions", "3", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert code == 0, result
    assert result["ok"]
    assert [session["state"] for session in result["sessions"]] == ["closed", "failed", "closed"]
    assert {session["client"] for session in result["sessions"]} >= {"sessionkeeper-demo"}
    assert result["frames"] == sum(session["frames"] for session in result["sessions"])
    assert result["sessions"][0]["server"] == "mcp-time"
    assert result["mailbox"]["commands"] > result["frames"]


@pytest.mark.timeout(180)
def test_the_result_is_shown_as_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """For people: the sessions, the last frames of one, the mailbox, the verdict."""
    assert run(["demo", "--sessions", "2"]) == 0
    output = capsys.readouterr().out
    for word in ("Sessions", "Last frames of time-00", "mailbox:", "ok 2 sessions"):
        assert word in output


@pytest.mark.timeout(120)
def test_a_demo_that_breaks_says_why_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that ends at once: exit code 1 and one line, no traceback."""
    monkeypatch.setattr("sessionkeeper.demo.servers._server", lambda *_: ("false",))
    assert run(["demo", "--sessions", "2"]) == 1
    output = capsys.readouterr()
    assert output.err.startswith("sessionkeeper: the demo failed: ")
    assert output.err.count("\n") == 1


@pytest.mark.timeout(120)
def test_a_conversation_that_takes_too_long_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit that has passed at once: exit code 1, and the line says what took too long."""
    monkeypatch.setattr("sessionkeeper.demo.run._TIMEOUT", 0.0)
    assert run(["demo", "--sessions", "2"]) == 1
    assert "a conversation did not end within 0 seconds" in capsys.readouterr().err


@pytest.mark.timeout(120)
def test_ctrl_c_leaves_nothing_behind(start: Start, tmp_path: Path) -> None:
    """Ctrl-C in the middle: exit code 130, no process and no file of the run is left."""
    demo = start("demo", "--sessions", "4")
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
    """Command lines of live processes that name the folder."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(folder) in command and "sessionkeeper-" in command:
            found.append(command)
    return found


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A session whose witnesses saw one request and its answer."""
    for name, seen in (("server-in", SENT), ("client-sent", SENT)):
        (tmp_path / name).write_bytes(seen + b"\n")
    for name in ("server-out", "client-received"):
        (tmp_path / name).write_bytes(ANSWER + b"\n")
    return Plan("time-00", "time", (), tmp_path, tmp_path, killed=False)


def stored(sent: bytes = SENT, answer: bytes = ANSWER) -> list[MessageEnvelope]:
    """What the store would give back."""
    return [
        MessageEnvelope.of("s", sent, direction="client-to-server"),
        MessageEnvelope.of("s", answer, direction="server-to-client"),
    ]


CLOSED = Session.new(transport_type="stdio", id="s", state=SessionState.CLOSED)


def test_the_check_passes_what_is_right(plan: Plan) -> None:
    """Stored equals seen."""
    finding = check_session(plan, CLOSED, stored())
    assert finding.faults == ()
    assert finding.bytes_sent == len(SENT) + 1


@pytest.mark.parametrize("name", ["server-in", "server-out", "client-sent", "client-received"])
def test_the_check_sees_one_changed_byte(plan: Plan, name: str) -> None:
    """One byte changed at any witness is a fault."""
    seen = bytearray((plan.folder / name).read_bytes())
    seen[10] ^= 1
    (plan.folder / name).write_bytes(seen)
    assert check_session(plan, CLOSED, stored()).faults


def test_the_check_sees_a_lost_frame_and_a_wrong_state(plan: Plan) -> None:
    """A frame too few, nothing stored, a session that did not end in order: faults."""
    assert check_session(plan, CLOSED, stored()[:1]).faults
    assert check_session(plan, CLOSED, []).faults
    still_open = CLOSED.model_copy(update={"state": SessionState.ACTIVE})
    assert check_session(plan, still_open, stored()).faults


def test_a_killed_clients_record_may_end_early_but_not_before_what_it_read(plan: Plan) -> None:
    """What its server writes afterwards reaches nobody; what the client read whole is stored."""
    killed = replace(plan, killed=True)
    failed = CLOSED.model_copy(update={"state": SessionState.FAILED})
    with (plan.folder / "server-out").open("ab") as file:
        file.write(ANSWER + b"\n")
    assert check_session(killed, failed, stored()).faults == ()
    assert check_session(plan, CLOSED, stored()).faults
    assert check_session(killed, failed, stored()[:1]).faults
