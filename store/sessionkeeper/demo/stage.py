"""What all sessions of one demo share, and how to clean it up early."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .launcher import Launcher

__all__ = ["Stage", "choose_turns"]

_PER_CORE = 4


@dataclass(slots=True)
class Stage:
    """One run of the demo."""

    folder: Path
    """The folder of this run, deleted at its end."""
    launcher: Launcher
    step: Callable[[], None]
    """Called after each of a client's `STEPS` answers."""
    turn: asyncio.Semaphore
    """How many sessions start, talk or end at a time."""
    all_done: asyncio.Barrier
    """No client leaves before all are done, so that all sessions are open at once."""
    troubles: list[str] = field(default_factory=list[str])
    """What could not be recorded, one line each."""
    pids: set[int] = field(default_factory=set[int])
    """The servers' witnesses that run now. All else ends with them and with the fork server."""

    def clear(self) -> None:
        """Kill all processes and remove the folder, without waiting."""
        for pid in (*self.pids, self.launcher.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def choose_turns(count: int) -> int:
    """Return how many of `count` sessions may talk at a time: fewer on a machine that is busy."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    load, _, _ = os.getloadavg()
    return min(count, max(2, round(_PER_CORE * cores / (1 + load / cores))))
