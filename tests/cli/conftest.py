"""The command line, run as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sessionkeeper

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `sessionkeeper ARGUMENTS…` in a process of its own; ended with the test.

    With `closed`, without that one of its standard descriptors; with `encoding`, on a terminal
    that has another; with more environment `variables`.
    """
    roots = [str(Path(sessionkeeper.__file__).parents[1]), *sys.path]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, roots)),
        "TMPDIR": str(tmp_path),
    }
    started: list[subprocess.Popen[bytes]] = []

    def start(
        *arguments: str,
        closed: int | None = None,
        encoding: str = "",
        variables: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "sessionkeeper", *arguments]
        if closed is not None:
            command = ["sh", "-c", f'exec "$0" "$@" {closed}>&-', *command]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment | {"PYTHONIOENCODING": encoding} | (variables or {}),
            cwd=tmp_path,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        process.wait()
