"""What all sessions of one demo share, and how to clear it in a hurry."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

__all__ = ["Stage"]


@dataclass(slots=True)
class Stage:
    """One run of the demo."""

    folder: Path
    """Where everything of this run lies; gone at its end."""
    errlog: TextIO
    """Where the servers' stderr goes."""
    step: Callable[[], None]
    """Called after each of a client's `STEPS` answers."""
    all_done: asyncio.Barrier
    """Nobody leaves before everybody has said everything: all sessions are open at once."""
    exit: asyncio.Semaphore
    """How many leave at a time: a client that waits too long for its server's end kills it."""
    troubles: list[str] = field(default_factory=list[str])
    """What could not be recorded, a line each."""
    pids: set[int] = field(default_factory=set[int])
    """Servers and clients that run now; the clients' connectors end with what they connect."""

    def clear(self) -> None:
        """Kill what still runs and remove the folder, without waiting for anything."""
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)
