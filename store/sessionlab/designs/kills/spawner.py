"""Starts worker processes, kills them, and collects what they reported."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .kill_worker import CREATED, FAILED, KILLED, READY
from .protocol import Ack, parse_ack

__all__ = ["ProcessSpawner", "SpawnerFailed", "KillReport", "start_spawner"]

_START = 120.0
"""Seconds to start Python and import the laboratory."""
_TIMEOUT = 30.0
"""Seconds without a report."""
_WORKER = f"{__package__}.kill_worker"


class SpawnerFailed(RuntimeError):
    """The worker process did not start, ended, or stopped responding."""


@dataclass(slots=True)
class KillReport:
    """What a process reported before it was killed."""

    path: str = ""
    created: bool = False
    acks: list[Ack] = field(default_factory=list[Ack])
    failure: str | None = None
    """Name of the error, if the process ended by itself."""
    killed: bool = False


class ProcessSpawner:
    """The worker process that forks the processes to be killed, one at a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None  # noqa: S101 - they are pipes
        assert process.stdout is not None  # noqa: S101 - they are pipes
        self._output = process.stdout.fileno()
        self._input = process.stdin.fileno()
        self._rest = b""
        self._patience = _START

    def kill_after(self, acks: int, seconds: float) -> KillReport:
        """Run a process until it has reported `acks` calls, wait `seconds`, and kill it.

        Raises `SpawnerFailed`.
        """
        report = KillReport()
        self._send(b"go\n")
        while len(report.acks) < acks and report.failure is None:
            self._read_report(report)
        time.sleep(seconds)
        self._send(b"kill\n")
        while not report.killed:
            self._read_report(report)
        return report

    def _send(self, line: bytes) -> None:
        try:
            os.write(self._input, line)
        except BrokenPipeError:
            raise SpawnerFailed("the worker process has ended") from None

    def _read_report(self, report: KillReport) -> None:
        ready, _, _ = select.select([self._output], [], [], self._patience)
        part = os.read(self._output, 65_536) if ready else b""
        if not part:
            raise SpawnerFailed(
                "the worker process has ended" if ready else "the worker process does not respond"
            )
        self._patience = _TIMEOUT
        *lines, self._rest = (self._rest + part).split(b"\n")
        for line in lines:
            word, _, more = line.decode().partition(" ")
            if word == READY:
                report.path = more
            elif word == CREATED:
                report.created = True
            elif word == FAILED:
                report.failure = more
            elif word == KILLED:
                report.killed = True
            else:
                report.acks.append(parse_ack(line.decode()))


@contextmanager
def start_spawner(name: str) -> Generator[ProcessSpawner]:
    """Start a worker for the store `module:Class`, and end it afterwards."""
    here = os.getcwd()
    others = [each for each in sys.path if each not in ("", here)]
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", f"from {_WORKER} import main; main()", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # errors are reported by name on stdout
        bufsize=0,
        # The same module path as here, but the user's folder after the standard library.
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*others, here])},
    )
    with process:
        try:
            yield ProcessSpawner(process)
        finally:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()  # the end of its input ends it
            try:
                process.wait(_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
