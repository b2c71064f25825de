"""One node. Its connection is made when it is needed, in one attempt."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from ....values.errors import StoreUnavailable
from .address import RedisAddress
from .call import Call
from .connection import Connection
from .pipeline import Pipeline

__all__ = ["Node"]


class Node:
    """Sends pipelines in the order they come, over one connection at a time.

    Without a connection it makes one, and pipelines wait for it in order. If that fails, none of
    them is sent; the next pipeline begins another attempt.
    """

    def __init__(self, address: RedisAddress, number: Callable[[], int]) -> None:
        self.address = address
        self.generation = 0
        """Number of the connection, from `number`: a new one for each."""
        self._number = number
        self._connection: Connection | None = None
        self._waiting: deque[Pipeline] = deque()
        self._connecting: asyncio.Task[None] | None = None
        self._last_error = ""
        self._closed = False

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

    def send(self, calls: Sequence[Call]) -> Pipeline:
        """Send calls. Nothing is awaited here, so what comes first is sent first."""
        pipeline = Pipeline(calls)
        if self._closed:
            pipeline.settle()
            return pipeline
        if (
            self._connection is not None
            and self._connection.ended is None
            and self._connecting is None
        ):
            self._connection.send(pipeline)
            return pipeline
        self._waiting.append(pipeline)
        if self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(
                self._connect(), name=f"sessionkeeper connects to {self.address.name}"
            )
        return pipeline

    def drop(self, why: str) -> None:
        """Close the connection unless answers are outstanding. The next pipeline makes another."""
        if self._connection is not None and not self._connection.busy:
            self._connection.close(why)

    async def aclose(self) -> None:
        """Close the connection for good, also one that is being made."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._connection is not None:
            await self._connection.aclose()

    async def _connect(self) -> None:
        connection: Connection | None = None
        try:
            connection = self._connection = await Connection.open(self.address)
            self.generation = self._number()
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
