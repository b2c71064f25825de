"""A deadline that stops waiting, but does not cancel the command."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from sessionkeeper.operations.tables import Tables
from sessionkeeper.stores.unqueued import PlainSessionStore
from sessionkeeper.values.errors import StoreUnavailable
from sessionkeeper.values.limits import StoreLimits
from soleowner import Command

from ..round_trip import round_trip

__all__ = ["RefusedAndApplied"]

R = TypeVar("R")


class RefusedAndApplied(PlainSessionStore):
    """Phantom: the caller gets an error that means no effect, but the command is applied later."""

    def __init__(self, *, limits: StoreLimits | None = None) -> None:
        super().__init__(limits=limits)
        self._lock = asyncio.Lock()
        self._late: set[asyncio.Task[object]] = set()

    async def _run_command(self, command: Command[Tables, R], /) -> R:
        task = asyncio.create_task(self._queued(command), name="queued command")
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        for _ in range(4):  # the deadline, in turns of the loop
            await round_trip()
            if task.done():
                return task.result()
        task.add_done_callback(lambda late: late.cancelled() or late.exception())
        raise StoreUnavailable("took too long")

    async def _queued(self, command: Command[Tables, R]) -> R:
        async with self._lock:
            await round_trip()
            return self._apply(command)
