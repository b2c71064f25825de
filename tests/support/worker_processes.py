"""Other processes that use a store, ended with the test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["WorkerProcesses"]


class WorkerProcesses:
    """Workers that run one script, each with a pipe in and out."""

    def __init__(self, script: Path, *arguments: object) -> None:
        self._script = script
        self._arguments = [str(each) for each in arguments]
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, command: str, *rest: object) -> subprocess.Popen[str]:
        """Start a command of the script, with the arguments of all workers and these."""
        process = subprocess.Popen(
            [sys.executable, str(self._script), command, *self._arguments, *map(str, rest)],
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

    def hear(self, process: subprocess.Popen[str], *beginnings: str) -> str:
        """Wait for a line that begins with one of these, and return it."""
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(beginnings):
                return line.strip()
        raise AssertionError(f"it ended before it said {beginnings}")

    def close(self) -> None:
        """Kill the processes that are left."""
        for process in self._processes:
            process.kill()
            process.communicate()
