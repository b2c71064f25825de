"""With a proxy in between, a server lives as long as without: both are run side by side."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.recording.stdio.test_stdio_signals import PROGRAM

# Tells its pid, and then that it lives, in a file; what it does meanwhile is `step`.
BEATING = """
import os, select, signal, sys, time
{setting}
beats = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(beats, b"%d\\n" % os.getpid())
while True:
    {step}
    os.write(beats, b".")
    time.sleep(0.02)
"""
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
READS = "select.select([0], [], [], 0)[0] and not os.read(0, 1024) and sys.exit(3)"
WRITES = "os.write(1, b'{}\\n')"
SIGPIPE = "signal.signal(signal.SIGPIPE, signal.SIG_DFL)"
BEATS, MANY_BEATS = 40, 15_000
"""Of a server that lives on, and as many as one that ends may have until then: five minutes."""

Started = subprocess.Popen[bytes]
PROXY = (sys.executable, "-c", PROGRAM, "")


class Life:
    """A server as its client started it, alone or behind a proxy."""

    def __init__(self, folder: Path, proxied: bool, setting: str, step: str) -> None:
        self.beats = folder / f"beats-{proxied}"
        script = BEATING.format(setting=setting, step=step)
        server = (sys.executable, "-I", "-S", "-c", script, str(self.beats))
        self.command = [*PROXY, *server] if proxied else list(server)

    def start(self) -> Started:
        """Start it as a client does, on two pipes."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        pipe = subprocess.PIPE
        started = subprocess.Popen(
            self.command,
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            env=environment,
            bufsize=0,
        )
        self.wait_for_beats(1)
        return started

    @property
    def pid(self) -> int:
        """The server's own process id."""
        return int(self.beats.read_text().partition("\n")[0])

    def count(self) -> int:
        """How often it has told that it lives."""
        return self.beats.read_text().count(".") if self.beats.exists() else 0

    def wait_for_beats(self, more: int) -> None:
        """Wait until it told so often that it lives."""
        until = self.count() + more
        while self.count() < until:
            time.sleep(0.01)

    def ends(self, *, expected: bool) -> bool:
        """Whether it ends by itself, or goes on: for a good while, or longer than it may."""
        until = self.count() + (MANY_BEATS if expected else BEATS)
        while self.count() < until:
            if not is_alive(self.pid):
                return True
            time.sleep(0.01)
        return False

    def kill(self) -> None:
        """End it for sure."""
        with suppress(ProcessLookupError, FileNotFoundError):
            os.kill(self.pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def close_as_the_sdk_does(started: Started) -> None:
    """The TypeScript SDK ends its child by the end of stdin, then SIGTERM, then SIGKILL."""
    assert started.stdin is not None
    started.stdin.close()
    for signum in signal.SIGTERM, signal.SIGKILL:
        with suppress(subprocess.TimeoutExpired):
            started.wait(0.5)
        started.send_signal(signum)
    started.wait()


def close_stdin(started: Started) -> None:
    """The client has nothing more to say, and reads on."""
    assert started.stdin is not None
    started.stdin.close()


def close_stdout(started: Started) -> None:
    """The client reads no more, and its stdin stays open."""
    assert started.stdout is not None
    started.stdout.close()


def terminate(started: Started) -> None:
    """SIGTERM alone."""
    started.terminate()


def kill(started: Started) -> None:
    """SIGKILL to what the client started, which closes nothing."""
    started.kill()
    started.wait()


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Callable[[str, str], list[Life]]]:
    """Makes a server without and with a proxy; kills both at the end."""
    made: list[Life] = []

    def make(setting: str, step: str) -> list[Life]:
        made.extend(Life(tmp_path, proxied, setting, step) for proxied in (False, True))
        return made

    yield make
    for life in made:
        life.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
@pytest.mark.parametrize(
    ("setting", "step", "act", "ends"),
    [
        (STUBBORN, "pass", close_as_the_sdk_does, True),
        ("pass", "pass", close_as_the_sdk_does, True),
        (STUBBORN, "pass", kill, True),
        (STUBBORN, READS, close_stdin, True),
        (STUBBORN, "pass", close_stdin, False),
        (SIGPIPE, WRITES, close_stdin, False),
        (SIGPIPE, WRITES, close_stdout, True),
        ("pass", WRITES, close_stdout, True),
        ("pass", READS, close_stdout, False),
        ("pass", "pass", terminate, True),
        (STUBBORN, "pass", terminate, False),
    ],
)
def test_a_server_ends_when_it_would_without_the_tap(
    lives: Callable[[str, str], list[Life]],
    setting: str,
    step: str,
    act: Callable[[Started], None],
    ends: bool,
) -> None:
    """It lives on as without a proxy, whatever its client does to the process that it started."""
    outcomes: list[bool] = []
    for life in lives(setting, step):
        with life.start() as started:
            act(started)
            outcomes.append(life.ends(expected=ends))
            life.kill()
            if started.stdout is not None and not started.stdout.closed:
                started.stdout.read()
    assert outcomes == [ends, ends]


@pytest.mark.parametrize(
    ("setting", "step", "ends"),
    [(SIGPIPE, WRITES, True), ("pass", READS, True), ("pass", "pass", False)],
)
def test_a_server_outlives_a_killed_client_only_as_without_the_tap(
    lives: Callable[[str, str], list[Life]], setting: str, step: str, ends: bool
) -> None:
    """A client that is killed closes both pipes and sends nothing."""
    client = (
        "import subprocess, sys, time; pipe = subprocess.PIPE;"
        "server = subprocess.Popen(sys.argv[1:], stdin=pipe, stdout=pipe); time.sleep(1000)"
    )
    outcomes: list[bool] = []
    for life in lives(setting, step):
        life.command = [sys.executable, "-I", "-S", "-c", client, *life.command]
        with life.start() as started:
            started.kill()
            outcomes.append(life.ends(expected=ends))
            life.kill()
    assert outcomes == [ends, ends]


@pytest.mark.parametrize(
    "how", ["sys.exit(7)", "os.kill(os.getpid(), signal.SIGSEGV)", "os.abort()"]
)
def test_the_exit_status_is_what_a_shell_would_report(
    lives: Callable[[str, str], list[Life]], how: str
) -> None:
    """For a server that exits, and for one that a signal ended."""
    statuses: list[int] = []
    for life in lives("os.write(1, b'{}')", f"os.path.exists(sys.argv[1] + '!') and {how}"):
        with life.start() as started:
            Path(f"{life.beats}!").touch()
            statuses.append(started.wait())
    alone, proxied = statuses
    assert proxied == (alone if alone >= 0 else 128 - alone)


def test_a_client_learns_that_its_server_reads_no_more(
    lives: Callable[[str, str], list[Life]],
) -> None:
    """A server that closes its stdin and lives on: the client's write fails."""
    for life in lives("os.close(0)", "pass"):
        with life.start() as started:
            assert started.stdin is not None
            with suppress(BrokenPipeError):
                while is_alive(life.pid):
                    os.write(started.stdin.fileno(), b"{}\n")
                    time.sleep(0.01)
            assert is_alive(life.pid)
            life.kill()
