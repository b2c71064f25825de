"""Every way client and server can end: what the session becomes, and that nothing is left."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
from sessionkeeper.recording.stdio import CommandNotStarted, StdioProxy, exit_status
from sessionkeeper.recording.stdio.pump import Pump
from sessionkeeper.recording.stdio.report import Ending
from sessionkeeper.values.states import Direction

if TYPE_CHECKING:
    from pathlib import Path

    from tests.recording.stdio.conftest import Rig

C2S, S2C = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT


async def test_a_session_in_order_is_completed(rig: Rig) -> None:
    """The client leaves after its last answer, the server exits with 0."""
    running = rig.run(rig.proxy(rig.ANSWER))
    await rig.send(rig.request(1))
    await rig.line()
    rig.hang_up()
    report = await running
    assert report.completed
    assert report.returncode == 0
    assert rig.notes.endings == [None]
    assert rig.troubles == []


@pytest.mark.parametrize(
    ("server", "returncode", "failure"),
    [
        ("sys.exit(3)", 3, "server exited with status 3"),
        ("os.kill(os.getpid(), 9)", -9, "server killed by SIGKILL"),
        ("os.kill(os.getpid(), 40)", -40, "server killed by signal 40"),
        ("sys.exit(143)", 143, "server exited with status 143"),
        ("sys.exit(0)", 0, None),
    ],
)
async def test_a_server_that_ends_by_itself_fails_the_session_unless_with_0(
    rig: Rig, server: str, returncode: int, failure: str | None
) -> None:
    """With the client still there."""
    report = await rig.run(rig.proxy(server))
    assert (report.returncode, report.failure) == (returncode, failure)
    assert rig.notes.endings == [failure]


async def test_a_server_that_fails_after_the_client_left_fails_the_session(rig: Rig) -> None:
    """Its status counts, not the order of the ends."""
    running = rig.run(rig.proxy("sys.stdin.read(); sys.exit(1)"))
    rig.hang_up()
    assert (await running).failure == "server exited with status 1"


async def test_a_server_that_exits_with_requests_unanswered_fails_the_session(rig: Rig) -> None:
    """Status 0 or not, the client waits for something that will never come."""
    running = rig.run(rig.proxy("sys.stdin.readline(); sys.stdin.readline()"))
    await rig.send(rig.request(1) + rig.request("1"))
    assert (await running).failure == "server exited with 2 requests unanswered"


async def test_a_client_that_leaves_with_a_request_unanswered_fails_the_session(rig: Rig) -> None:
    """The server was at its end and had not answered."""
    running = rig.run(rig.proxy("sys.stdin.read()"))
    await rig.send(rig.request(1))
    rig.hang_up()
    assert (await running).failure == "client left with 1 request unanswered"


async def test_a_request_answered_after_the_client_closed_its_side_is_answered(rig: Rig) -> None:
    """A client that pipes its requests in and reads all answers left in order."""
    running = rig.run(
        rig.proxy("""
            lines = sys.stdin.buffer.read().splitlines()
            for line in lines:
                say({"id": json.loads(line)["id"], "result": {}})
            """)
    )
    await rig.send(rig.request(1) + rig.request(2))
    rig.hang_up()
    assert len((await rig.rest()).splitlines()) == 2
    assert (await running).completed


async def test_a_response_that_was_not_recorded_does_not_fail_the_session(rig: Rig) -> None:
    """It may have been the answer that is missing."""
    running = rig.run(
        rig.proxy("sys.stdin.readline(); say({'id': 1, 'result': 'x' * 1000})", max_line=100)
    )
    await rig.send(rig.request(1))
    assert (await running).completed
    assert len(await rig.rest()) > 1000


async def test_a_client_that_reads_no_more_has_vanished(rig: Rig) -> None:
    """The server's writes fail, as they would without the proxy, and its stdin stays open."""
    running = rig.run(
        rig.proxy("""
            try:
                while True:
                    say({"number": 1})
                    time.sleep(0.01)
            except BrokenPipeError:
                sys.exit(sys.stdin.readline() != "{}\\n")
            """)
    )
    assert await rig.line() == b'{"number": 1}\n'
    rig.vanish()
    await rig.send(b"{}\n")
    report = await running
    assert report.failure == "client vanished"
    assert rig.notes.endings == ["client vanished"]
    assert report.returncode == 0
    assert rig.notes.sent(C2S) == [b"{}"]


async def test_a_client_killed_while_nothing_passes_has_vanished(rig: Rig) -> None:
    """Both its ends close at once; no write ever fails."""
    running = rig.run(rig.proxy("sys.stdin.read()"))
    rig.vanish()
    rig.hang_up()
    assert (await running).failure == "client vanished"


@pytest.mark.parametrize(
    ("facts", "failure"),
    [
        ({}, None),
        ({"returncode": 2}, "server exited with status 2"),
        ({"returncode": -15}, "server killed by SIGTERM"),
        ({"returncode": -10, "forwarded": frozenset({10})}, None),
        ({"returncode": 138, "forwarded": frozenset({10})}, None),
        ({"returncode": -11, "forwarded": frozenset({10})}, "server killed by SIGSEGV"),
        ({"returncode": -9, "interrupted": True, "client_gone": True, "unanswered": 1}, None),
        ({"returncode": 1, "client_gone": True, "unanswered": 1}, "client vanished"),
        ({"unanswered": 1}, "server exited with 1 request unanswered"),
        ({"unanswered": 2, "client_left": True}, "client left with 2 requests unanswered"),
        (
            {"returncode": -10, "forwarded": frozenset({10}), "unanswered": 1},
            "server exited with 1 request unanswered",
        ),
    ],
)
def test_the_first_cause_is_the_reason(facts: dict[str, object], failure: str | None) -> None:
    """Our interruption, then the client's end, the server's, and what was left open."""
    nothing = {
        "returncode": 0,
        "interrupted": False,
        "forwarded": frozenset[int](),
        "client_gone": False,
        "client_left": False,
        "unanswered": 0,
    }
    assert Ending(**{**nothing, **facts}).failure() == failure  # type: ignore[arg-type]  # of mixed types


@pytest.mark.parametrize(("returncode", "status"), [(0, 0), (3, 3), (-9, 137), (-15, 143)])
def test_an_exit_status_is_what_a_shell_would_report(returncode: int, status: int) -> None:
    """128 + N for signal N."""
    assert exit_status(returncode) == status


async def test_a_missing_command_is_reported_and_fails_the_session(rig: Rig) -> None:
    """127, one line, and the client's descriptors are given up as at any end."""
    with pytest.raises(CommandNotStarted, match="cannot start") as e:
        await rig.run(rig.proxy(["no-such-command", "--token", "secret"]))
    assert e.value.exit_status == 127
    assert rig.notes.endings == ["cannot start 'no-such-command': not found"]
    assert await rig.rest() == b""


async def test_a_command_that_cannot_be_executed_is_reported(rig: Rig, tmp_path: Path) -> None:
    """126: it is there, but it is no program."""
    file = tmp_path / "text"
    file.write_text("no program")
    with pytest.raises(CommandNotStarted, match="Permission denied") as denied:
        await rig.run(rig.proxy([str(file)]))
    assert denied.value.exit_status == 126


async def test_a_missing_folder_is_not_taken_for_a_missing_command(
    rig: Rig, tmp_path: Path
) -> None:
    """The text names the folder."""
    with pytest.raises(CommandNotStarted, match=r"no such directory: .*/nowhere"):
        await rig.run(rig.proxy("pass", cwd=tmp_path / "nowhere"))


async def test_a_tap_runs_once(rig: Rig) -> None:
    """A second run is a `RuntimeError`, an empty command a `ValueError`."""
    proxy = rig.proxy("pass")
    assert repr(proxy) == "<StdioProxy not started>"
    report = await rig.run(proxy)
    assert repr(proxy) == f"<StdioProxy pid={report.pid} ended=0>"
    with pytest.raises(RuntimeError, match="runs once"):
        await proxy.run()
    with pytest.raises(ValueError, match="empty"):
        StdioProxy([], rig.notes, client_in=0, client_out=1, on_trouble=print)


async def test_a_bad_descriptor_leaves_nothing_behind(rig: Rig) -> None:
    """The error is the system's; no server was started."""
    reader, writer = os.pipe()
    os.close(writer)
    with pytest.raises(OSError, match="Bad file descriptor"):
        await rig.run(rig.proxy("pass", client=(reader, writer)))
    assert rig.notes.pid is None


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_a_start_that_fails_half_way_leaves_nothing_behind(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """For example without descriptors: no server, thread or open file is left."""
    made = 0

    def make_some(*args: object, **kwargs: object) -> Pump:
        nonlocal made
        made += 1
        if made > after:
            raise OSError(errno.EMFILE, "too many open files")
        return Pump(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came

    def fail(_: int, /) -> None:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr("sessionkeeper.recording.stdio.pumps.Pump", make_some)
    if after == 2:
        monkeypatch.setattr(rig.notes, "started", fail)
    with pytest.raises(OSError, match="too many"):
        await rig.run(rig.proxy("time.sleep(1000)"))
    assert rig.notes.endings == ["cannot start: OSError"]
