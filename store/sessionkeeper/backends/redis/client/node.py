"""One node: its connection is made when somebody needs it, in one attempt."""

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
    """Sends batches in the order they are handed in, over one connection at a time.

    While there is none, one is being made and batches wait for it, in order. If that fails all of
    them are unsent: who wants another attempt hands in another batch.
    """

    def __init__(self, target: RedisAddress, number: Callable[[], int]) -> None:
        self.target = target
        self.generation = 0
        """Number of the connection, as given by `number`: a new one for each."""
        self._number = number
        self._link: Connection | None = None
        self._held: deque[Pipeline] = deque()
        self._connecting: asyncio.Task[None] | None = None
        self._last_error = ""
        self._closed = False

    def __repr__(self) -> str:
        return f"<Node {self.target.name} {self._link or self.last_error or 'not connected'}>"

    @property
    def busy(self) -> bool:
        """Whether batches are on their way, or wait for a connection."""
        return bool(self._held) or (self._link is not None and self._link.busy)

    @property
    def last_error(self) -> str:
        """Why there is no connection any more or could be none; empty if all is well."""
        if self._link is not None and self._link.ended is not None:
            return f"{self.target.name}: {self._link.ended}"
        return self._last_error

    def send(self, calls: Sequence[Call]) -> Pipeline:
        """Hand in calls. Nothing is awaited here: what is handed in first is sent first."""
        batch = Pipeline(calls)
        if self._closed:
            batch.settle()
            return batch
        if self._link is not None and self._link.ended is None and self._connecting is None:
            self._link.send(batch)
            return batch
        self._held.append(batch)
        if self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(
                self._connect(), name=f"sessionkeeper connects to {self.target.name}"
            )
        return batch

    def drop(self, why: str) -> None:
        """Close the connection unless answers are outstanding; the next batch makes another."""
        if self._link is not None and not self._link.busy:
            self._link.close(why)

    async def aclose(self) -> None:
        """Close the connection, also one that is being made, for good."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._link is not None:
            await self._link.aclose()

    async def _connect(self) -> None:
        link: Connection | None = None
        try:
            link = self._link = await Connection.open(self.target)
            self.generation = self._number()
            self._last_error = ""
        except StoreUnavailable as error:
            self._link = None
            self._last_error = error.reason
        finally:
            # In one step: nobody may hand in a batch that overtakes these.
            self._connecting = None
            held, self._held = self._held, deque()
            for batch in held:
                if batch.waiter.done():
                    continue
                if link is None:
                    batch.settle()
                else:
                    link.send(batch)
