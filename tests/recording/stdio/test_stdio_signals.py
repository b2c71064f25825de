"""The signals of a terminal or a client reach the server once."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from sessionkeeper.recording.stdio import forwarding_signals, signals

if TYPE_CHECKING:
    from tests.recording.stdio.conftest import Rig

# Says each signal it gets, and goes on until its stdin ends.
TELLS_SIGNALS = """
    for signum in (1, 2, 3, 10, 12, 15):
        signal.signal(signum, lambda signum, _: say(f"signal {signum}"))
    say("ready")
    while line := sys.stdin.readline():
        say(line.strip())
    """

# A program that is nothing but a proxy; a terminal named first becomes its controlling terminal.
PROGRAM = """
import asyncio, os, sys
from sessionkeeper.recording.stdio import StdioProxy, exit_status, forwarding_signals, proxy

# A server that ends by itself is let end, however slow the machine is.
proxy._TERM_AFTER = proxy._KILL_AFTER = 3600

class Recorder:
    def started(self, pid): pass
    async def record(self, direction, message, timestamp): pass
    async def complete(self): print("completed", file=sys.stderr)
    async def fail(self, reason): print(reason, file=sys.stderr)

async def main(terminal, *command):
    if terminal:
        os.open(terminal, os.O_RDWR)
    trouble = lambda text: None
    proxy = StdioProxy(command, Recorder(), client_in=0, client_out=1, on_trouble=trouble)
    with forwarding_signals(proxy):
        report = await proxy.run()
    return exit_status(report.returncode)

sys.exit(asyncio.run(main(*sys.argv[1:])))
"""


def let_it_end_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an interrupt a server gets no other signal, however slow the machine is."""
    for name in ("_TERM_AFTER", "_KILL_AFTER"):
        monkeypatch.setattr(f"sessionkeeper.recording.stdio.proxy.{name}", 3600)


@pytest.mark.parametrize("signum", [1, 3, 10, 12, 15])
async def test_a_signal_is_passed_on_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, signum: int
) -> None:
    """HUP, QUIT, USR1, USR2 and TERM, sent to this very process; the proxy goes on."""
    monkeypatch.setattr(signals, "_in_foreground", lambda: False)
    proxy = rig.proxy(TELLS_SIGNALS)
    with forwarding_signals(proxy):
        running = rig.run(proxy)
        assert await rig.line() == b"ready\n"
        os.kill(os.getpid(), signum)
        assert await rig.line() == b"signal %d\n" % signum
        await rig.send(b"ping\n")
        rig.hang_up()
        assert await rig.rest() == b"ping\n"
        assert (await running).completed


async def test_sigint_is_passed_on_once_and_ends_the_tap(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it, the server sees the end of its stdin."""
    monkeypatch.setattr(signals, "_in_foreground", lambda: False)
    let_it_end_by_itself(monkeypatch)
    proxy = rig.proxy(TELLS_SIGNALS)
    with forwarding_signals(proxy):
        running = rig.run(proxy)
        assert await rig.line() == b"ready\n"
        os.kill(os.getpid(), signal.SIGINT)
        assert await rig.rest() == b"signal 2\n"
        assert (await running).completed


async def test_handlers_are_put_back_and_ignored_signals_stay_ignored(rig: Rig) -> None:
    """nohup means it; and an inherited SIGCHLD handler must not swallow the exit code."""
    proxy = rig.proxy("sys.exit(5)")
    before = {signum: signal.getsignal(signum) for signum in signal.Signals}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with forwarding_signals(proxy):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not before[signal.SIGTERM]
            assert (await rig.run(proxy)).returncode == 5
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before[signal.SIGHUP])
        signal.signal(signal.SIGCHLD, before[signal.SIGCHLD])
    assert {signum: signal.getsignal(signum) for signum in signal.Signals} == before


@pytest.mark.parametrize("key", [b"\x03", b"\x1c"], ids=["ctrl-c", "ctrl-backslash"])
async def test_a_signal_of_the_keyboard_reaches_the_server_once(rig: Rig, key: bytes) -> None:
    """The terminal sends it to the whole group; the proxy does not send it again."""
    keyboard, terminal = pty.openpty()
    program = start(os.ttyname(terminal), rig.script(TELLS_SIGNALS))
    assert await receive(program) == b"ready\n"
    os.write(keyboard, key)
    signum = b"signal 2\n" if key == b"\x03" else b"signal 3\n"
    assert await receive(program) == signum
    # After ^C the proxy is at its end; after ^\ it goes on.
    ping = b"" if key == b"\x03" else b"ping\n"
    rest, errors = await asyncio.to_thread(program.communicate, ping)
    assert (rest, errors, program.returncode) == (ping, b"completed\n", 0)
    os.close(keyboard)
    os.close(terminal)


async def test_a_sigint_that_is_not_of_the_keyboard_is_passed_on(rig: Rig) -> None:
    """Without a terminal, nobody but the proxy can have got it."""
    program = start("", rig.script(TELLS_SIGNALS))
    assert await receive(program) == b"ready\n"
    program.send_signal(signal.SIGINT)
    assert await receive(program) == b"signal 2\n"
    rest, errors = await asyncio.to_thread(program.communicate)
    assert (rest, errors, program.returncode) == (b"", b"completed\n", 0)


def start(terminal: str, command: list[str]) -> subprocess.Popen[bytes]:
    """Run a proxy as a program of its own, leader of a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, terminal, *command],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    )


async def receive(program: subprocess.Popen[bytes]) -> bytes:
    """The next line of its stdout."""
    assert program.stdout is not None
    return await asyncio.to_thread(program.stdout.readline)
