"""A file for each test, and other processes that use it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


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
