"""Other processes that use a store on the same server, ended with the test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["Processes"]

_WORKER = Path(__file__).with_name("redis_worker.py")


class Processes:
    """Workers, each with a pipe in and out."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, command: str, *rest: object) -> subprocess.Popen[str]:
        """Start one of the worker's commands."""
        process = subprocess.Popen(
            [sys.executable, str(_WORKER), command, *map(str, rest)],
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

    def hear(self, process: subprocess.Popen[str], word: str) -> str:
        """Wait for a line that begins like this."""
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(word):
                return line.strip()
        raise AssertionError(f"it ended before it said {word}")

    def close(self) -> None:
        """End whoever is left."""
        for process in self._processes:
            process.kill()
            process.communicate()
