"""An actor that replies to a caller even if it was cancelled."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from sessionkeeper.operations.tables import Tables
from sessionkeeper.stores.unqueued import PlainSessionStore
from sessionkeeper.values.errors import SessionError
from sessionkeeper.values.limits import StoreLimits
from soleowner import Command

__all__ = ["BareSetResult"]

R = TypeVar("R")


class BareSetResult(PlainSessionStore):
    """Hang: `set_result` on the reply of a caller who was cancelled ends the owner, and everybody
    who asks afterwards waits for ever (websockets#634, aiosqlite#80).
    """

    def __init__(self, *, limits: StoreLimits | None = None) -> None:
        super().__init__(limits=limits)
        self._queue: asyncio.Queue[tuple[Command[Tables, Any], asyncio.Future[Any]]] = (
            asyncio.Queue()
        )
        self._owner: asyncio.Task[None] | None = None

    async def _run_command(self, command: Command[Tables, R], /) -> R:
        if self._owner is None:
            self._owner = asyncio.create_task(self._own(), name="naive owner")
        reply: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        await self._queue.put((command, reply))
        return await reply

    async def _own(self) -> None:
        while True:
            command, reply = await self._queue.get()
            try:
                value = self._apply(command)
            except SessionError as error:
                reply.set_exception(error)
            else:
                reply.set_result(value)
