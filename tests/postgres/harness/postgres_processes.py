"""The processes of a server: the one that was started, and those it started."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["children_of", "free_shared_memory", "is_gone", "kill_all", "send_all"]


def children_of(pid: int) -> list[int]:
    """The processes that this one has started and that still run."""
    return [
        each
        for each, (state, parent) in _processes().items()
        if parent == pid and not state.startswith("Z")
    ]


def is_gone(pid: int) -> bool:
    """Whether it has ended, waited for or not."""
    found = _processes(pid).get(pid)
    return found is None or found[0].startswith("Z")


def send_all(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and its children."""
    for each in (pid, *children_of(pid)):
        with suppress(ProcessLookupError):
            os.kill(each, number)


def kill_all(pid: int) -> list[int]:
    """SIGKILL for a process and all its children, as when the machine stops; their ids."""
    _send(signal.SIGSTOP, pid)
    while not _stands_still(pid):  # then it starts no more of them
        time.sleep(0.001)
    children = children_of(pid)
    # All stand still before one is gone: a child that sees its parent gone gives up waiting for a
    # standby, and shows the others what only this server has.
    _send(signal.SIGSTOP, *children)
    _send(signal.SIGKILL, *children, pid)
    return children


def _stands_still(pid: int) -> bool:
    found = _processes(pid).get(pid)
    return found is None or found[0][0] in "TZ"


def _send(number: signal.Signals, *processes: int) -> None:
    for each in processes:
        with suppress(ProcessLookupError):
            os.kill(each, number)


def free_shared_memory(number: int) -> None:
    """Give a System V segment back, which a killed server leaves for the next one."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).shmctl(number, 0, None)  # 0: IPC_RMID


def _processes(only: int | None = None) -> dict[int, tuple[str, int]]:
    """The state of each process of this machine, or of one, and the id of its parent."""
    if not Path("/proc/self/stat").exists():  # macOS
        listed = subprocess.run(
            ["ps", "-axo", "pid=,stat=,ppid="], check=True, capture_output=True, text=True
        ).stdout
        rows = [line.split() for line in listed.splitlines()]
        return {int(pid): (state, int(parent)) for pid, state, parent in rows}
    names = [each.name for each in Path("/proc").iterdir()] if only is None else [str(only)]
    found: dict[int, tuple[str, int]] = {}
    for name in names:
        with suppress(FileNotFoundError, ProcessLookupError, NotADirectoryError):
            if name.isdecimal():
                # Its name, in parentheses, may have any bytes in it.
                stat = Path(f"/proc/{name}/stat").read_text(errors="replace")
                state, parent, *_ = stat.rpartition(")")[2].split()
                found[int(name)] = state, int(parent)
    return found
