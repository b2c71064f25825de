"""The owner's side of a server: commands are handed to lanes, so that no node holds up others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from soleowner import Batch, Reply, Runner

from ...operations.command import StoreCommand
from ...operations.tables import Tables
from .lanes import Lanes
from .opening import Resources
from .rounds import Entry, Rounds

__all__ = ["RedisRunner"]

_ABANDONED = 4096


class RedisRunner(Runner[Tables]):
    """Gives a batch to one server, or each command to the lane of its node.

    Errors of the store answer their caller alone; any other is a bug and crashes the owner. When it
    is cancelled, what was sent and not answered is unknown, and the rest had no effect.
    """

    def __init__(self, open_backend: Callable[[], Awaitable[Resources]], *, capacity: int) -> None:
        self._get_ready = open_backend
        self._capacity = capacity
        self._resources: Resources | None = None
        self._lanes: Lanes | None = None
        self._arrivals: dict[Reply, tuple[float, float]] = {}

    @property
    def resources(self) -> Resources:
        """What it works with. Raises `RuntimeError` before it was opened."""
        if self._resources is None:
            raise RuntimeError("not open")
        return self._resources

    @property
    def applying(self) -> bool:  # type: ignore[override]  # computed where others keep it
        return self._resources is not None and self._resources.plan_context.applying

    def arrived(self, reply: Reply, /) -> None:
        """Note when a command was asked: its caller's patience begins in the mailbox."""
        self._arrivals[reply] = (self._now(), self._rounds.delivery.waited)

    async def open(self) -> None:
        """Connect and agree on the layout. Raises `StoreUnavailable`."""
        self._resources = resources = await self._get_ready()
        self._now = asyncio.get_running_loop().time
        self._rounds = Rounds(resources, resources.new_delivery(), self.refuse)
        if resources.servers.several:
            self._lanes = Lanes(resources, self.refuse)

    async def run(self, batch: Batch[Tables], /) -> None:
        """Answer all; where there are several nodes, go on once there is room for more."""
        entries: list[Entry] = []
        arrivals = self._arrivals
        for command, reply in batch:
            arrival = arrivals.pop(reply, None) or (self._now(), self._rounds.delivery.waited)
            # Of its own kind: a store's facade sends nothing else.
            entries.append((cast("StoreCommand[Any]", command), reply, *arrival))
        if len(arrivals) > _ABANDONED:
            # Those of callers who gave up in line never come here.
            self._arrivals = {reply: at for reply, at in arrivals.items() if not reply.done()}
        if self._lanes is None:
            await self._rounds.run(entries)
        else:
            self._lanes.hand_out(entries)
            await self._lanes.until_left(self._capacity)

    async def finish(self) -> None:
        """Answer what is still in the lanes."""
        if self._lanes is not None:
            await self._lanes.until_left(0)

    def holds(self, reply: Reply, /) -> bool:
        """Whether a lane has the command of this reply."""
        return self._lanes is not None and self._lanes.holds(reply)

    async def aclose(self) -> None:
        """Close the connections, and tell who watches."""
        if self._lanes is not None:
            await self._lanes.aclose()
        resources = self._resources
        if resources is not None:
            await resources.aclose()
