"""A lock around two steps, with a cancellation between them."""

from __future__ import annotations

import asyncio
from typing import TypeVar, cast

import msgspec
from sessionkeeper.operations import AddFrames, ModifySession
from sessionkeeper.operations.tables import Tables
from sessionkeeper.stores.unqueued import PlainSessionStore
from sessionkeeper.values.limits import StoreLimits
from soleowner import Command

from ..round_trip import round_trip

__all__ = ["CancelledUnderLock"]

R = TypeVar("R")


class CancelledUnderLock(PlainSessionStore):
    """Half an operation: a cancelled caller releases the lock after the frames are written
    and before the session is changed.
    """

    def __init__(self, *, limits: StoreLimits | None = None) -> None:
        super().__init__(limits=limits)
        self._lock = asyncio.Lock()

    async def _run_command(self, command: Command[Tables, R], /) -> R:
        whole = command
        async with self._lock:
            if not isinstance(command, AddFrames) or command.change is None:
                return self._apply(whole)
            added = self._apply(msgspec.structs.replace(command, change=None))
            await round_trip()
            self._apply(ModifySession(command.session_id, command.change, command.context))
            return cast("R", added)
