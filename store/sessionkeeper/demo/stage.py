"""What all sessions of one demo share, and how to clean it up early."""

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
    """The folder of this run, deleted at its end."""
    errlog: TextIO
    """Where the servers' stderr goes."""
    step: Callable[[], None]
    """Called after each of a client's `STEPS` answers."""
    all_done: asyncio.Barrier
    """No client leaves before all are done, so that all sessions are open at once."""
    exit: asyncio.Semaphore
    """How many clients leave at a time: a client kills a server that ends too slowly."""
    troubles: list[str] = field(default_factory=list[str])
    """What could not be recorded, one line each."""
    pids: set[int] = field(default_factory=set[int])
    """Servers and clients that run now. The connectors end with them."""

    def clear(self) -> None:
        """Kill all processes and remove the folder, without waiting."""
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)
