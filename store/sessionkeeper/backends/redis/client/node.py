"""One node. Its connection is made when it is needed, in one attempt."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from math import inf

from ....values.errors import StoreUnavailable
from .address import RedisAddress
from .call import Call
from .connection import Connection
from .eviction import READ_MEMORY, EvictionRule, EvictionWatch
from .pipeline import Pipeline
from .sentinel import open_connection

__all__ = ["Node"]

_LOOK_INTERVAL = 5.0
"""Seconds between two looks at what a node does when its memory is full."""


class Node:
    """Sends pipelines in the order they come, over one connection at a time.

    Without a connection it makes one, and pipelines wait for it in order. If that fails, none of
    them is sent; the next pipeline begins another attempt. Pipelines expire by one timer for all:
    to set and cancel one for each took a tenth of the processor time of a lone call.
    """

    def __init__(
        self, address: RedisAddress, number: Callable[[], int], rule: EvictionRule | None = None
    ) -> None:
        self.address = address
        self.eviction = EvictionWatch(address.name, rule or EvictionRule(allowed=False))
        self._look_at = inf
        """The loop time at which its policy is read again, with the next calls."""
        self.generation = 0
        """Number of the connection, from `number`: a new one for each."""
        self._number = number
        self._connection: Connection | None = None
        self._waiting: deque[Pipeline] = deque()
        self._connecting: asyncio.Task[None] | None = None
        self._last_error = ""
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf

    def __repr__(self) -> str:
        return (
            f"<Node {self.address.name} {self._connection or self.last_error or 'not connected'}>"
        )

    @property
    def busy(self) -> bool:
        """Whether pipelines are outstanding, or wait for a connection."""
        return bool(self._waiting) or (self._connection is not None and self._connection.busy)

    @property
    def last_error(self) -> str:
        """Why there is no connection; empty if there is one, or none was needed yet."""
        if self._connection is not None and self._connection.ended is not None:
            return f"{self.address.name}: {self._connection.ended}"
        return self._last_error

    def send(self, calls: Sequence[Call], until: float | None = None) -> Pipeline:
        """Send calls. Nothing is awaited here, so what comes first is sent first.

        Calls without an answer at the loop time `until` are given up.
        """
        pipeline = Pipeline(calls, inf if until is None else until)
        if self._closed:
            pipeline.settle()
            return pipeline
        if pipeline.until < self._timer_at:
            self._set_timer(pipeline.until)
        if (
            self._connection is not None
            and self._connection.ended is None
            and self._connecting is None
        ):
            self._connection.send(pipeline)
            if asyncio.get_running_loop().time() >= self._look_at:
                self._look(self._connection)
            return pipeline
        self._waiting.append(pipeline)
        if self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(
                self._connect(), name=f"sessionkeeper connects to {self.address.name}"
            )
        return pipeline

    def _look(self, connection: Connection) -> None:
        """Read the policy for a full memory, behind what was sent; nobody waits for it."""
        self._look_at = asyncio.get_running_loop().time() + _LOOK_INTERVAL
        pipeline = Pipeline([Call(-1, READ_MEMORY)])

        def note(_: asyncio.Future[None]) -> None:
            self.eviction.note(pipeline.own_answers()[0])

        pipeline.waiter.add_done_callback(note)
        connection.send(pipeline)

    def drop(self, why: str) -> None:
        """Close the connection unless answers are outstanding. The next pipeline makes another."""
        if self._connection is not None and not self._connection.busy:
            self._connection.close(why)

    async def aclose(self) -> None:
        """Close the connection for good, also one that is being made."""
        self._closed = True
        self._set_timer(inf)
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._connection is not None:
            await self._connection.aclose()

    def _set_timer(self, until: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, until
        if until < inf:
            self._timer = asyncio.get_running_loop().call_at(until, self._expire)

    def _expire(self) -> None:
        """Give up the pipelines whose time is over, and come again for the next one."""
        now = asyncio.get_running_loop().time()
        for pipeline in self._unanswered():
            if pipeline.until <= now:
                pipeline.expire()
        self._set_timer(min((pipeline.until for pipeline in self._unanswered()), default=inf))

    def _unanswered(self) -> list[Pipeline]:
        sent = () if self._connection is None else self._connection.outstanding
        return [each for each in (*self._waiting, *sent) if not each.waiter.done()]

    async def _connect(self) -> None:
        connection: Connection | None = None
        try:
            connection = self._connection = await open_connection(self.address)
            self.generation = self._number()
            self._look_at = asyncio.get_running_loop().time() + _LOOK_INTERVAL
            self._last_error = ""
        except StoreUnavailable as error:
            self._connection = None
            self._last_error = error.reason
        finally:
            # In one step: no later pipeline may overtake these.
            self._connecting = None
            waiting, self._waiting = self._waiting, deque()
            for pipeline in waiting:
                if pipeline.waiter.done():
                    continue
                if connection is None:
                    pipeline.settle()
                else:
                    connection.send(pipeline)
