"""Observers learn how long batches wait and take; without one, no clock is read."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Protocol, TypeVar

from .envelope import Batch
from .runner import Runner

__all__ = ["Observer", "run_observed"]

S = TypeVar("S")

logger = logging.getLogger("soleowner")


class Observer(Protocol):
    """Called by the owner, on its loop, after each batch was served.

    It must be quick and must not block. One that raises is logged by its type and dropped.
    """

    def batch(self, commands: int, waited: float, served: float, /) -> None:
        """Receive the numbers of a batch with this many commands.

        `waited`: seconds from its first command's place in the mailbox until the owner took it.
        `served`: seconds the runner took, the replies included.
        """


async def run_observed(
    runner: Runner[S], batch: Batch[S], observer: Observer, *, waited: float
) -> bool:
    """Run a batch and notify the observer; return whether to keep the observer."""
    begun = time.perf_counter()
    await runner.run(batch)
    try:
        observer.batch(len(batch), waited, time.perf_counter() - begun)
    except (Exception, asyncio.CancelledError) as error:  # the latter would look like a crash
        logger.error("an observer failed with %s and is dropped", type(error).__name__)
        return False
    return True
