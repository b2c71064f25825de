"""The bounded queue of one owner, whose entries are batches.

The first command of a turn puts a new batch on the queue, later ones join it until the owner
takes it: 64 callers cost one wake-up, one commit, one round trip. Callers who find no room stand
in line *with their envelope*, and the mailbox itself moves them up; nobody is woken to try
again, so no wake-up can be lost when a caller is cancelled (cpython#90155, #112202).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from .envelope import Batch, Envelope

__all__ = ["Mailbox"]

S = TypeVar("S")
T = TypeVar("T")


class _OwnersQueue(asyncio.Queue[T]):
    """A queue that only one task waits on, so it looks up the event loop once.

    Before 3.12 the base class does so at each wait, and that asks the kernel for the pid: up to a
    quarter of a round trip. Should asyncio call this method no longer, only that time is lost.
    """

    _owners: asyncio.AbstractEventLoop | None = None

    def _get_loop(self) -> asyncio.AbstractEventLoop:
        if self._owners is None:
            self._owners = asyncio.get_running_loop()
        return self._owners


class Mailbox(Generic[S]):
    """First in, first out; at most `capacity` commands and `capacity_bytes` a batch.

    A command heavier than `capacity_bytes` travels alone. Every method but `take` is synchronous,
    so that looking and acting are one step.
    """

    __slots__ = (
        "_batch",
        "_begun",
        "_bytes",
        "_closed",
        "_queue",
        "_sweep_at",
        "_waiting",
        "capacity",
        "capacity_bytes",
        "clock",
        "waited",
    )

    def __init__(self, capacity: int, capacity_bytes: int) -> None:
        if capacity < 1 or capacity_bytes < 1:
            raise ValueError("a mailbox holds at least one command and one byte")
        self.capacity = capacity
        self.capacity_bytes = capacity_bytes
        self._queue: asyncio.Queue[Batch[S]] = _OwnersQueue()
        self._batch: Batch[S] | None = None  # the one on the queue that may still grow
        self._bytes = 0
        self._waiting: deque[Envelope[S]] = deque()
        self._sweep_at = capacity
        self._closed = False
        # Read only while there is an observer, and once for each batch, not for each command.
        self.clock: Callable[[], float] | None = None
        self._begun = 0.0
        self.waited = 0.0  # how long the batch taken last had waited

    @property
    def depth(self) -> int:
        """Commands queued and not yet taken, without those in line."""
        return 0 if self._batch is None else len(self._batch)

    @property
    def depth_bytes(self) -> int:
        """Their weight in bytes."""
        return 0 if self._batch is None else self._bytes

    @property
    def waiting(self) -> int:
        """Commands in line for a place."""
        return len(self._waiting)

    def offer(self, envelope: Envelope[S]) -> bool:
        """Queue a command if there is room and nobody waits in line; return whether it did."""
        try:
            weight = envelope[0].weight
        except AttributeError:
            raise _not_a_command(envelope[0]) from None
        return not self._waiting and self._admit(envelope, weight)

    def put(self, envelope: Envelope[S]) -> None:
        """Queue a command, or put it in line for the next place."""
        try:
            weight = envelope[0].weight
        except AttributeError:
            raise _not_a_command(envelope[0]) from None
        if not self._waiting and self._admit(envelope, weight):
            return
        self._waiting.append(envelope)
        if len(self._waiting) > self._sweep_at:
            # Callers that give up leave their envelopes behind; while the owner is stuck,
            # nothing else would ever remove them.
            self._waiting = deque(e for e in self._waiting if not e[1].done())
            self._sweep_at = max(self.capacity, 2 * len(self._waiting))

    async def take(self) -> Batch[S]:
        """Wait for the next batch; an empty one means closed and drained.

        A cancelled `take` loses nothing: `Queue.get` removes an item only after its last await.
        """
        if self._batch is not None:
            # `get` would not wait, and a long line would hold the loop until all are served.
            await asyncio.sleep(0)
        batch = await self._queue.get()
        if self.clock is not None:
            self.waited = self.clock() - self._begun
        self._batch = None
        if self._waiting:
            self._move_up()
        if self._closed and self._batch is None:
            self._queue.put_nowait([])
        return batch

    def time(self, clock: Callable[[], float] | None) -> None:
        """Start or stop measuring how long batches wait."""
        self._begun = 0.0 if clock is None else clock()
        self.clock = clock

    def close(self) -> None:
        """Let `take` end once everything is taken. The actor refuses new commands itself."""
        if not self._closed:
            self._closed = True
            if self._batch is None:
                self._queue.put_nowait([])

    def drain(self) -> Iterator[Envelope[S]]:
        """Remove everything, those in line included, oldest first."""
        while not self._queue.empty():
            yield from self._queue.get_nowait()
        self._batch = None
        while self._waiting:
            yield self._waiting.popleft()

    def _admit(self, envelope: Envelope[S], weight: int) -> bool:
        batch = self._batch
        if batch is None:
            self._batch = batch = [envelope]
            self._bytes = weight
            if self.clock is not None:
                self._begun = self.clock()
            self._queue.put_nowait(batch)
            return True
        if len(batch) >= self.capacity or self._bytes + weight > self.capacity_bytes:
            return False
        batch.append(envelope)
        self._bytes += weight
        return True

    def _move_up(self) -> None:
        while self._waiting:
            envelope = self._waiting[0]
            if not envelope[1].done() and not self._admit(envelope, envelope[0].weight):
                return
            self._waiting.popleft()


def _not_a_command(thing: object) -> TypeError:
    return TypeError(f"not a Command: {type(thing).__name__}")
