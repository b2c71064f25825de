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
from .protocol import Ack, heard

__all__ = ["ProcessSpawner", "SpawnerFailed", "KillReport", "spawner_of"]

_PATIENCE = 10.0
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
        self._said = process.stdout.fileno()
        self._orders = process.stdin.fileno()
        self._rest = b""

    def killed_after(self, acks: int, seconds: float) -> KillReport:
        """Have one work until it has acknowledged so much, and so long; return what it said.

        Raises `SpawnerFailed`.
        """
        told = KillReport()
        self._order(b"go\n")
        while len(told.acks) < acks and told.failure is None:
            self._hear(told)
        time.sleep(seconds)
        self._order(b"kill\n")
        while not told.killed:
            self._hear(told)
        return told

    def _order(self, line: bytes) -> None:
        try:
            os.write(self._orders, line)
        except BrokenPipeError:
            raise SpawnerFailed("it has ended") from None

    def _hear(self, told: KillReport) -> None:
        ready, _, _ = select.select([self._said], [], [], _PATIENCE)
        part = os.read(self._said, 65_536) if ready else b""
        if not part:
            raise SpawnerFailed("it has ended" if ready else "it says nothing")
        *lines, self._rest = (self._rest + part).split(b"\n")
        for line in lines:
            word, _, more = line.decode().partition(" ")
            if word == READY:
                told.path = more
            elif word == CREATED:
                told.created = True
            elif word == FAILED:
                told.failure = more
            elif word == KILLED:
                told.killed = True
            else:
                told.acks.append(heard(line.decode()))


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
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
