"""The processes of a server: the one that was started, and those it started."""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import suppress
from pathlib import Path

__all__ = ["children_of", "free_shared_memory", "is_gone", "kill_all", "send_all"]


def children_of(pid: int) -> list[int]:
    """The processes that this one has started and that still run."""
    found: list[int] = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            fields = _fields(int(folder.name))
            if fields[:1] != ["Z"] and fields[1:2] == [str(pid)]:
                found.append(int(folder.name))
    return found


def is_gone(pid: int) -> bool:
    """Whether it has ended, waited for or not."""
    return _fields(pid)[:1] in ([], ["Z"])


def send_all(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and its children."""
    for each in (pid, *children_of(pid)):
        with suppress(ProcessLookupError):
            os.kill(each, number)


def kill_all(pid: int) -> list[int]:
    """SIGKILL for a process and all its children, as when the machine stops; their ids."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)  # it starts no more of them
    children = children_of(pid)
    for each in (pid, *children):
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    return children


def free_shared_memory(number: int) -> None:
    """Give a System V segment back, which a killed server leaves for the next one."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).shmctl(number, 0, None)  # 0: IPC_RMID


def _fields(pid: int) -> list[str]:
    """The state of a process, the id of its parent, and more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
