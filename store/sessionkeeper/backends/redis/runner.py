"""The owner's side of a server: gives each batch to the server, or each command to its node."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from soleowner import Batch, Reply, Runner

from ...operations.command import StoreCommand
from ...operations.tables import Tables
from .execution.lane import Entry, Lane
from .execution.node_queues import NodeQueues
from .opening import Resources

__all__ = ["RedisRunner"]

_ABANDONED = 4096


class RedisRunner(Runner[Tables]):
    """Gives a batch to the one server, or each command to the queue of its node.

    An error of the store goes to its caller alone; any other is a bug and crashes the owner. A
    cancellation leaves what was sent and not answered unknown; the rest had no effect.
    """

    def __init__(self, open_backend: Callable[[], Awaitable[Resources]], *, capacity: int) -> None:
        self._open_backend = open_backend
        self._capacity = capacity
        self._resources: Resources | None = None
        self._queues: NodeQueues | None = None
        self._arrivals: dict[Reply, tuple[float, float]] = {}

    @property
    def resources(self) -> Resources:
        """The resources of an open store. Raises `RuntimeError` before it was opened."""
        if self._resources is None:
            raise RuntimeError("not open")
        return self._resources

    @property
    def applying(self) -> bool:  # type: ignore[override]  # computed where others keep it
        return self._resources is not None and self._resources.plan_context.applying

    def arrived(self, reply: Reply, /) -> None:
        """Note when a command was sent: the patience of its caller begins in the mailbox."""
        self._arrivals[reply] = (self._now(), self._lane.delivery.waited)

    async def open(self) -> None:
        """Connect and agree on the layout. Raises `StoreUnavailable`."""
        self._resources = resources = await self._open_backend()
        self._now = asyncio.get_running_loop().time
        self._lane = Lane(resources, self.refuse)
        if resources.servers.several:
            self._queues = NodeQueues(resources, self.refuse)

    async def run(self, batch: Batch[Tables], /) -> None:
        """Take all, and return as soon as there is room for more commands."""
        entries: list[Entry] = []
        arrivals = self._arrivals
        # Commands of a store: its facade sends nothing else.
        for command, reply in cast("list[tuple[StoreCommand[Any], Reply]]", batch):
            arrival = arrivals.pop(reply, None) or (self._now(), self._lane.delivery.waited)
            asked_at, waited = arrival
            entries.append((command, reply, asked_at, waited))
        if len(arrivals) > _ABANDONED:
            # The commands of callers who gave up in line never come here.
            self._arrivals = {reply: at for reply, at in arrivals.items() if not reply.done()}
        queues = self._queues
        if queues is None:
            await self._lane.run(entries)
            return
        try:
            queues.add(entries)
            await queues.until_unfinished(self._capacity)
        except asyncio.CancelledError as cancelled:
            # Now: the owner answers the rest of its batch as what had no effect.
            queues.abandon(cancelled)
            raise

    async def finish(self) -> None:
        """Answer what was sent or queued and has no answer yet."""
        queues = self._queues
        if queues is None:
            await self._lane.finish()
            return
        try:
            await queues.until_unfinished(0)
        except asyncio.CancelledError as cancelled:
            queues.abandon(cancelled)
            raise

    def holds(self, reply: Reply, /) -> bool:
        """Whether the command of this reply was sent or queued, and has no answer."""
        if self._queues is not None:
            return self._queues.holds(reply)
        return self._resources is not None and any(each is reply for each in self._lane.replies)

    async def aclose(self) -> None:
        """Answer all commands, close the connections, and wake all watchers."""
        if self._queues is not None:
            await self._queues.aclose()
        elif self._resources is not None:
            await self._lane.aclose()
        resources = self._resources
        if resources is not None:
            await resources.aclose()
