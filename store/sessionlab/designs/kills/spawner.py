"""Starting processes and killing them, and what they said before."""

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

__all__ = ["ProcessSpawner", "SpawnerFailed", "KillReport", "spawner_of"]

_TIMEOUT = 10.0
_WORKER = f"{__package__}.kill_worker"


class SpawnerFailed(RuntimeError):
    """The process that makes the others did not start, ended, or says nothing any more."""


@dataclass(slots=True)
class KillReport:
    """What a process said until it was killed."""

    path: str = ""
    created: bool = False
    acks: list[Ack] = field(default_factory=list[Ack])
    failure: str | None = None
    """What it raised, where it ended by itself."""
    killed: bool = False


class ProcessSpawner:
    """A process that makes others, one at a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None  # noqa: S101 - they are pipes
        assert process.stdout is not None  # noqa: S101 - they are pipes
        self._output = process.stdout.fileno()
        self._input = process.stdin.fileno()
        self._rest = b""

    def kill_after(self, acks: int, seconds: float) -> KillReport:
        """Have one work until it has acknowledged so much, and so long; return what it said.

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
            raise SpawnerFailed("it has ended") from None

    def _read_report(self, report: KillReport) -> None:
        ready, _, _ = select.select([self._output], [], [], _TIMEOUT)
        part = os.read(self._output, 65_536) if ready else b""
        if not part:
            raise SpawnerFailed("it has ended" if ready else "it says nothing")
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
def spawner_of(name: str) -> Generator[ProcessSpawner]:
    """Start one that opens stores by this `module:Class`, and end it afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"from {_WORKER} import main; main()", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # what a store raises is told by its name, on the other pipe
        bufsize=0,
        # As this process finds its modules, a folder of the user's own among them.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    with process:
        try:
            yield ProcessSpawner(process)
        finally:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()  # by which it ends
            try:
                process.wait(_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
