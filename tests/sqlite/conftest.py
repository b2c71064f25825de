"""A file for each test, other processes that use it, and sessions in few words."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sessionkeeper import MessageEnvelope, Session


class Neighbours:
    """Other processes, ended with the test."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, command: str, *rest: object) -> subprocess.Popen[str]:
        """Start a worker on the test's file."""
        process = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).with_name("sqlite_worker.py")),
                command,
                str(self._file),
                *map(str, rest),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self._processes.append(process)
        return process

    def tell(self, process: subprocess.Popen[str], line: str = "go") -> None:
        """Send a line."""
        assert process.stdin is not None
        process.stdin.write(line + "\n")
        process.stdin.flush()

    def hear(self, process: subprocess.Popen[str], *words: str) -> str:
        """Wait for a line that begins with one of these."""
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(words):
                return line.strip()
        raise AssertionError(f"it ended before it said {words}")

    def close(self) -> None:
        """End whoever is left."""
        for process in self._processes:
            process.kill()
            process.communicate()


class Kit:
    """What a test of the file needs in every second line."""

    def session(self, id: str = "a", **fields: object) -> Session:
        """A session to be created."""
        return Session.new(transport_type="stdio", id=id, **fields)

    def note(self, n: int = 0, id: str = "a", size: int = 0) -> MessageEnvelope:
        """A numbered notification, of `size` bytes if that is given."""
        message = b'{"jsonrpc":"2.0","method":"note","params":[%d]}' % n
        return MessageEnvelope.of(id, message.ljust(size), direction="client-to-server")

    def until(self, what: str, seconds: float = 300.0) -> Iterator[None]:
        """Go round until the caller leaves; fail when that takes too long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            yield
        raise AssertionError(f"never {what}")


@pytest.fixture
def kit() -> Kit:
    """Sessions and messages in few words."""
    return Kit()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / "store.db"


@pytest.fixture
def neighbours(file: Path) -> Iterator[Neighbours]:
    """Other processes on the test's file."""
    neighbours = Neighbours(file)
    yield neighbours
    neighbours.close()
