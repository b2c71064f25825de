"""Ends the servers of a test run that ended without doing so itself, however that came about.

A process of its own holds one end of a pipe. When the other end closes, be it by SIGKILL, whoever
is on its list is killed, and the folders on it are removed. `PR_SET_PDEATHSIG` would not do: it
follows the thread that started the server, not the process, and tests start servers from threads
that end.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

__all__ = ["Watchdog"]


class Watchdog:
    """Knows which processes are to end with this one, and which folders."""

    def __init__(self) -> None:
        # A session of its own: Ctrl-C in a terminal goes to every process of the foreground group.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self.pid = self._process.pid

    def watch(self, pid: int) -> None:
        """Kill this process at the end."""
        self._tell(f"+{pid}")

    def forget(self, pid: int) -> None:
        """Stop watching a process; call this before its pid can be reused."""
        self._tell(f"-{pid}")

    def remove(self, folder: Path) -> None:
        """Remove this folder at the end, if it is still there: after the processes were killed."""
        self._tell(f"/{folder.absolute()}")

    def close(self) -> None:
        """Kill the remaining processes, and end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()


def _wait_and_kill(lines: IO[str]) -> None:
    watched: set[int] = set()
    folders: list[str] = []
    for line in lines:
        word = line[1:].rstrip("\n")
        if line[0] == "/":
            folders.append(word)
        elif line[0] == "+":
            watched.add(int(word))
        else:
            watched.discard(int(word))
    for pid in watched:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for folder in folders:
        _unmount_below(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _unmount_below(folder: str) -> None:
    """Small disks that a test has mounted there."""
    with suppress(OSError):
        for line in Path("/proc/self/mounts").read_text().splitlines():
            place = line.split()[1]
            if place.startswith(f"{folder}/"):
                subprocess.run(["umount", "-l", place], check=False)


if __name__ == "__main__":
    _wait_and_kill(sys.stdin)
