"""A runner with a thread of its own, on which a batch is one transaction.

Begin, every command, and commit or rollback are one function on the thread (a statement that is
cancelled in between would leave a transaction open), and only then are the replies settled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import inf
from queue import Empty, SimpleQueue
from threading import Lock, Thread, get_ident
from typing import Generic, TypeVar

from .envelope import Batch, Reply, fail, succeed
from .errors import CallerError
from .runner import Runner
from .transactions import Transactions

__all__ = ["ThreadRunner"]

S = TypeVar("S")

_HURRY = 0.5
"""Seconds the thread is waited for once the caller's own deadline has passed."""


class _GivenUp(Exception):
    """No caller waits for the batch any more: it is rolled back."""


class _Work(Generic[S]):
    """A batch that is handed to the thread and back."""

    __slots__ = ("_deciding", "_fate", "after", "batch", "crash", "done", "outcomes", "refuse")

    def __init__(self, batch: Batch[S], done: asyncio.Future[None]) -> None:
        self.batch = batch
        self.done = done
        self.outcomes: list[tuple[Reply, object, Exception | None]] = []
        """The answers of the commands that were applied."""
        self.after: Callable[[], None] | None = None
        self.refuse: Callable[[], Exception] | None = None
        """Makes the answer of every caller, when nothing was applied."""
        self.crash: BaseException | None = None
        self._deciding = Lock()
        self._fate = ""

    def decide(self, fate: str) -> bool:
        """Decide that the batch is committed or given up; return whether this call decided it.

        The first call decides, from the thread or the loop: a batch that was reported as having no
        effect is never committed afterwards.
        """
        with self._deciding:
            self._fate = self._fate or fate
            return self._fate == fate


class ThreadRunner(Runner[S]):
    """Applies each batch on one dedicated thread, as one transaction.

    `expected` errors answer their caller alone, and the other commands are applied. When the
    storage fails, all callers get the error of `Transactions.refuse`, and nothing is applied. Any
    other error is a bug: nothing of the batch is applied, and the owner crashes.

    A cancellation, as by `aclose(timeout=…)`, interrupts the thread: what was applied is committed
    and answered, or everything is rolled back. If the thread does not come back within `grace`
    seconds, or half a second after a deadline has passed, it is abandoned. A batch whose commit has
    not begun by then is rolled back later, so it certainly has no effect. If the commit has begun,
    the callers get the error of `Transactions.lost`.
    """

    def __init__(
        self,
        storage: Transactions[S],
        *,
        expected: tuple[type[Exception], ...] = (),
        name: str = "owner",
        grace: float = 10.0,
    ) -> None:
        self._storage = storage
        self._expected: tuple[type[Exception], ...] = (*expected, CallerError)
        self._name = name
        self._grace = grace
        self._queue: SimpleQueue[_Work[S] | None] = SimpleQueue()
        self._stopping = False
        self._until = inf
        """When the loop stops waiting for the thread, by the loop's clock."""
        self._bug: BaseException | None = None
        """An error that the storage must not raise: the next batch crashes with it."""
        self._work: _Work[S] | None = None

    async def open(self) -> None:
        """Start the thread and open the storage on it. Raises what opening raises."""
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._hurried: asyncio.Future[None] = self._loop.create_future()
        # A daemon: an interpreter that ends must not wait for a store nobody closed. Stopping it
        # anywhere is what a kill does, and what was acknowledged stands already.
        Thread(target=self._serve, args=(opened,), name=self._name, daemon=True).start()
        try:
            await asyncio.shield(opened)
        except asyncio.CancelledError:
            # Whether it opens or not: the thread closes what it opened, and ends.
            opened.add_done_callback(_heard)
            self._storage.interrupt()
            self.hurry()
            await self.aclose()
            raise

    async def run(self, batch: Batch[S], /) -> None:
        """Hand the batch over and wait until it is committed or rolled back."""
        self._work = work = _Work(batch, self._loop.create_future())
        self._queue.put(work)
        try:
            await asyncio.shield(work.done)
        except asyncio.CancelledError:
            self._stopping = True
            self._storage.interrupt()
            # If it is given up, the actor answers all its commands as having no effect.
            if not await self._wait(work.done) and not work.decide("given up"):
                for _, reply in batch:
                    fail(reply, self._storage.lost())
            raise
        if work.crash is not None:
            raise work.crash

    async def settled(self) -> None:
        """Wait while a command that its caller gave up on is under way.

        The caller that gave up does not learn the outcome here; a read after this can see it.
        """
        work = self._work
        if work is None or work.done.done():
            return
        # Replies are settled in one step with `done`: before it, a reply that is done was left.
        if any(reply.done() for _, reply in work.batch):
            await asyncio.wait({work.done})

    async def aclose(self) -> None:
        """Let the thread close the storage and end; wait for it with a deadline."""
        self._queue.put(None)
        await self._wait(self._ended)

    def hurry(self) -> None:
        """Shorten the wait for the thread to a moment."""
        self._until = min(self._until, self._loop.time() + _HURRY)
        succeed(self._hurried, None)

    async def _wait(self, future: asyncio.Future[None]) -> bool:
        """Wait with a deadline, despite cancellations; return whether it is done.

        All waits share the deadline: a thread that is hung is not waited for twice.
        """
        self._until = min(self._until, self._loop.time() + self._grace)
        while not future.done() and (left := self._until - self._loop.time()) > 0:
            awaited = {future} if self._hurried.done() else {future, self._hurried}
            with suppress(asyncio.CancelledError):
                await asyncio.wait(awaited, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        return future.done()

    def _post(self, function: Callable[[], None]) -> None:
        # Closed while the thread worked: no loop is left to receive it (aiosqlite#290, #387).
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function)

    # The methods below run on the thread; callbacks that they post run on the loop.

    def _serve(self, opened: asyncio.Future[None]) -> None:
        self.thread = get_ident()
        try:
            self._storage.open(self._post)
        except BaseException as error:
            self._post(partial(fail, opened, error))
            self._post(partial(succeed, self._ended, None))
            return
        self._post(partial(succeed, opened, None))
        try:
            self._take_turns()
        finally:
            self._storage.close()
            self._post(partial(succeed, self._ended, None))

    def _take_turns(self) -> None:
        pause = self._tidy()
        while not self._loop.is_closed():
            try:
                work = self._queue.get(timeout=pause)
            except Empty:
                pause = self._tidy()
                continue
            if work is None:
                return
            try:
                self._apply(work)
            except BaseException as error:  # not even the rollback finished
                self._bug = work.crash = error
                work.outcomes, work.refuse = [], None
            self._post(partial(self._deliver, work))
            del work  # while it waits, nothing of the last batch stays alive
            pause = self._tidy()

    def _tidy(self) -> float | None:
        if self._bug is None:
            try:
                return self._storage.tidy()
            except BaseException as error:
                self._bug = error  # a thread that ended here would answer nobody any more
        return None

    def _apply(self, work: _Work[S]) -> None:
        if self._bug is not None:
            work.crash = self._bug
            return
        while self._fails_and_repeats(work):
            pass

    def _fails_and_repeats(self, work: _Work[S]) -> bool:
        """Apply the batch once; return whether it failed and is to be applied again."""
        storage = self._storage
        try:
            # A caller that gave up before the batch begins was promised no effect.
            live = [envelope for envelope in work.batch if not envelope[1].done()]
            if not live or self._stopping:
                return False
            storage.begin([command for command, _ in live])
            self._apply_each(live, work)
            if not work.decide("committed"):
                raise _GivenUp
            work.after = storage.commit()
        except _GivenUp:
            storage.rollback()
            work.outcomes = []
        except BaseException as error:
            storage.rollback()
            work.outcomes = []
            if isinstance(error, Exception):
                if storage.repeats(error):
                    return True
                work.refuse = storage.refuse(error)
            if work.refuse is None:
                work.crash = error
        return False

    def _apply_each(self, live: Batch[S], work: _Work[S]) -> None:
        apply, expected, outcomes = self._storage.apply, self._expected, work.outcomes
        for command, reply in live:
            if self._stopping:
                return  # the applied commands are kept; the owner answers the others
            if reply.done():
                continue
            try:
                outcomes.append((reply, apply(command), None))
            except expected as error:
                outcomes.append((reply, None, error))

    def _deliver(self, work: _Work[S]) -> None:
        """Run on the loop: notify listeners of what was committed, then settle the replies."""
        try:
            if work.after is not None:
                # Listeners run as the owner, which cannot wait for itself.
                self.applying = True
                work.after()
        finally:
            self.applying = False
            for reply, value, error in work.outcomes:
                if error is None:
                    succeed(reply, value)
                elif isinstance(error, CallerError):  # the caller's own code raised it
                    fail(reply, error)
                else:
                    self.refuse(reply, error)
            if work.refuse is not None:
                for _, reply in work.batch:
                    if not reply.done():
                        self.refuse(reply, work.refuse())
            # Last: answered callers send their next commands before the owner takes its next batch.
            succeed(work.done, None)


def _heard(future: asyncio.Future[None]) -> None:
    if not future.cancelled():
        future.exception()
