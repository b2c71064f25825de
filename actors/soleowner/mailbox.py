"""The bounded queue of one owner, which takes it in batches.

The first command of a turn begins a batch and wakes the owner, later ones join it until the owner
takes it: 64 callers cost one wake-up, one commit, one round trip. Callers who find no room stand
in line *with their envelope*, and the mailbox itself moves them up; nobody is woken to try
again, so no wake-up can be lost when a caller is cancelled (cpython#90155, #112202).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from .envelope import Batch, Envelope, fail, succeed

__all__ = ["Mailbox"]

S = TypeVar("S")


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
        "_loop",
        "_sweep_at",
        "_waiting",
        "_wake",
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
        self._batch: Batch[S] | None = None  # what the owner takes next, never an empty one
        self._loop: asyncio.AbstractEventLoop | None = None  # looked up once, not at each wait
        self._wake: asyncio.Future[None] | None = None  # what the owner waits for
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
        # One function, without calls: every command comes through it.
        try:
            weight = envelope[0].weight
        except AttributeError:
            raise _not_a_command(envelope[0]) from None
        batch = self._batch
        if batch is None:  # then nobody waits in line
            self._batch = [envelope]
            self._bytes = weight
            if self.clock is not None:
                self._begun = self.clock()
            if self._wake is not None:
                succeed(self._wake, None)
            return True
        if (
            self._waiting
            or len(batch) >= self.capacity
            or self._bytes + weight > self.capacity_bytes
        ):
            return False
        batch.append(envelope)
        self._bytes += weight
        return True

    def line_up(self, envelope: Envelope[S]) -> None:
        """Put a command that `offer` refused in line for the next place."""
        self._waiting.append(envelope)
        if len(self._waiting) > self._sweep_at:
            # Callers that give up leave their envelopes behind; while the owner is stuck,
            # nothing else would ever remove them.
            self._waiting = deque(e for e in self._waiting if not e[1].done())
            self._sweep_at = max(self.capacity, 2 * len(self._waiting))

    def put(self, envelope: Envelope[S]) -> None:
        """Queue a command, or put it in line for the next place."""
        if not self.offer(envelope):
            self.line_up(envelope)

    async def take(self) -> Batch[S]:
        """Wait for the next batch; an empty one means closed and drained.

        A cancelled `take` loses nothing: the batch is removed after the last await.
        """
        if self._batch is not None:
            # A long line would hold the loop until all are served.
            await asyncio.sleep(0)
        while self._batch is None and not self._closed:
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._wake = self._loop.create_future()
            try:
                await self._wake
            finally:
                self._wake = None
        batch, self._batch = self._batch, None
        if batch is None:
            return []
        if self.clock is not None:
            self.waited = self.clock() - self._begun
        if self._waiting:
            self._move_up()
        return batch

    def time(self, clock: Callable[[], float] | None) -> None:
        """Start or stop measuring how long batches wait."""
        self._begun = 0.0 if clock is None else clock()
        self.clock = clock

    def close(self) -> None:
        """Let `take` end once everything is taken. The actor refuses new commands itself."""
        self._closed = True
        if self._wake is not None:
            succeed(self._wake, None)

    def drain(self) -> Iterator[Envelope[S]]:
        """Remove everything, those in line included, oldest first."""
        batch, self._batch = self._batch, None
        yield from batch or ()
        while self._waiting:
            yield self._waiting.popleft()

    def _move_up(self) -> None:
        line, self._waiting = self._waiting, deque()
        while line:
            envelope = line[0]
            try:
                if not envelope[1].done() and not self.offer(envelope):
                    break
            except Exception as error:  # of its weight: the batch and the line must not be lost
                fail(envelope[1], error)
            line.popleft()
        self._waiting = line


def _not_a_command(thing: object) -> TypeError:
    return TypeError(f"not a Command: {type(thing).__name__}")
