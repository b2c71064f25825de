"""`sessionkeeper record`: a real server behind the real command."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

Start = Callable[..., "subprocess.Popen[bytes]"]

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'
ANSWERING = """
import sys
for line in sys.stdin:
    print('{"jsonrpc":"2.0","id":1,"result":{}}', flush=True)
sys.exit(int(sys.argv[1]))
"""
STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("ready", flush=True)
while True: time.sleep(1)
"""


def server(script: str, *arguments: str) -> tuple[str, ...]:
    """A server in a line: python, isolated for a quick start."""
    return ("--", sys.executable, "-I", "-S", "-c", script, *arguments)


def test_traffic_is_recorded_and_summarised(start: Start) -> None:
    """Bytes pass unchanged, the exit code is the server's, the summary is on stderr."""
    proxy = start("record", "--json", *server(ANSWERING, "0"))
    out, err = proxy.communicate(PING)
    summary = json.loads(err)
    assert proxy.returncode == 0
    assert out == b'{"jsonrpc":"2.0","id":1,"result":{}}\n'
    assert summary["state"] == "closed"
    assert summary["frames"] == summary["report"]["recorded"] == 2


def test_the_exit_code_is_the_servers_and_the_session_failed(start: Start) -> None:
    """A server that ends with 3 makes the proxy end with 3, and says so."""
    proxy = start("record", *server(ANSWERING, "3"))
    _, err = proxy.communicate(PING)
    assert proxy.returncode == 3
    assert b"failed (server exited with status 3)" in err


def test_stderr_is_recorded_when_asked(start: Start) -> None:
    """It passes before the summary, which counts its lines."""
    script = "import os; os.write(2, b'starting\\nready')"
    proxy = start("record", "--stderr", *server(script))
    _, err = proxy.communicate()
    assert err.startswith(b"starting\nreadysessionkeeper: session ")
    assert b"closed: 2 frames recorded (2 of stderr), 0 bytes forwarded" in err


NO_SERVER = "print('total 0\\nREADME.md')"


@pytest.mark.parametrize(
    ("script", "sent", "told"),
    [
        (NO_SERVER, b"", b"2 frames recorded (2 odd), 18 bytes forwarded"),
        (f"{NO_SERVER}; input()", PING, b"3 frames recorded (2 odd), 59 bytes forwarded"),
    ],
)
def test_a_server_that_speaks_no_mcp_is_told(
    start: Start, script: str, sent: bytes, told: bytes
) -> None:
    """One clear line: `ls` is no server, and what it wrote is in the record."""
    proxy = start("record", *server(script))
    out, err = proxy.communicate(sent)
    assert out == b"total 0\nREADME.md\n"
    assert err.count(b"\n") == 1
    assert told in err
    assert err.endswith(b"; the server wrote no JSON-RPC message\n")


def test_a_server_that_says_nothing_is_not_called_wrong(start: Start) -> None:
    """It may have had nothing to say."""
    proxy = start("record", *server("input()"))
    _, err = proxy.communicate(PING)
    assert b"wrote no JSON-RPC message" not in err


def test_quiet_says_nothing(start: Start) -> None:
    """With --quiet, stderr is the server's alone."""
    proxy = start("record", "--quiet", *server(ANSWERING, "0"))
    _, err = proxy.communicate(PING)
    assert err == b""


@pytest.mark.parametrize(("program", "code"), [("/no/such/program", 127), ("/etc/passwd", 126)])
def test_a_server_that_cannot_start_is_one_line(start: Start, program: str, code: int) -> None:
    """127 when it is not there, 126 when it cannot be run, as a shell says it."""
    proxy = start("record", "--", program)
    out, err = proxy.communicate()
    assert proxy.returncode == code
    assert out == b""
    assert err.count(b"\n") == 1


@pytest.mark.parametrize(("program", "reason"), [("/etc", "it is a directory"), ("", "no name")])
def test_what_is_no_program_is_said(start: Start, program: str, reason: str) -> None:
    """In place of `Permission denied`, which is what the system says."""
    proxy = start("record", "--", program)
    _, err = proxy.communicate()
    assert proxy.returncode == 126
    assert reason in err.decode()


def test_ctrl_c_ends_a_stubborn_server(start: Start) -> None:
    """SIGINT to the proxy ends a server that ignores it; the session is closed."""
    proxy = start("record", "--json", *server(STUBBORN))
    assert proxy.stdout is not None
    assert proxy.stdout.readline() == b"ready\n"
    proxy.send_signal(signal.SIGINT)
    _, err = proxy.communicate()
    assert proxy.returncode in (128 + signal.SIGTERM, 128 + signal.SIGKILL)
    assert json.loads(err.splitlines()[-1])["state"] == "closed"


def test_a_closed_stderr_does_no_harm(start: Start) -> None:
    """The proxy's own troubles never reach the traffic: nobody reads its stderr."""
    proxy = start("record", *server(ANSWERING, "0"))
    assert proxy.stderr is not None
    proxy.stderr.close()
    assert proxy.stdin is not None
    assert proxy.stdout is not None
    proxy.stdin.write(b"no json\n" + PING)
    proxy.stdin.close()
    assert proxy.stdout.read().count(b"result") == 2
    assert proxy.wait() == 0
