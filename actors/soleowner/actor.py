"""The owner task, and the handle through which everyone else sends it commands.

Rules: checking that the owner lives and queueing the command are one synchronous step; whatever
ends the owner answers every waiting caller; nothing here ever waits with `wait_for` or `join`.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from asyncio import _get_running_loop  # pyright: ignore[reportPrivateUsage]  # None if there is none
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import get_ident
from typing import Any, Generic, TypeVar

from .command import Command
from .envelope import Batch, Reply, fail, succeed
from .errors import (
    ActorError,
    LoopStopped,
    MailboxClosed,
    MailboxFull,
    OwnerCrashed,
    Reentrant,
    WouldBlock,
    WrongLoop,
)
from .fork import forget_on_fork
from .loops import LoopPort
from .mailbox import Mailbox
from .observer import Observer, run_observed
from .runner import DONE, Runner
from .statistics import ActorState, ActorStatistics
from .tasks import start
from .threads import ThreadPort

__all__ = ["Actor"]

S = TypeVar("S")
R = TypeVar("R")

logger = logging.getLogger("soleowner")

# Before 3.12 to ask for the running loop asks the kernel for the pid, a tenth of a round trip. If
# our loop runs, and on this thread, then it is the running one.
_LOOKUP_IS_CHEAP = sys.version_info >= (3, 12)


class Actor(Generic[S]):
    """One owner task and its mailbox, bound to the loop it was opened on.

    Every command is applied whole and alone, in the order of the calls. Use it as
    `async with Actor(LoopRunner(state)) as actor`, and `await actor.ask(command)`.

    `translate` turns the engine's errors into those of the library built on it.
    """

    def __init__(
        self,
        runner: Runner[S],
        *,
        name: str = "owner",
        capacity: int = 1024,
        capacity_bytes: int = 64 * 1024 * 1024,
        translate: Callable[[ActorError], Exception] = lambda error: error,
        observer: Observer | None = None,
    ) -> None:
        self._runner = runner
        self._name = name
        self._mailbox: Mailbox[S] = Mailbox(capacity, capacity_bytes)
        self._translate = translate
        self._task: asyncio.Task[None] | None = None
        self._current: Batch[S] = []
        self._state = ActorState.NEW
        # Why no command is accepted now; None while commands are. One test on the hot path for all.
        self._refusal: Callable[[], Exception] | None = _not_open
        self._batches = self._commands = self._largest = self._refused = 0
        self._fences: set[Reply] = set()
        self.observe(observer)

    def __repr__(self) -> str:
        box = self._mailbox
        return f"<Actor {self._name} {self._state} mailbox={box.depth}/{box.capacity}>"

    async def open(self) -> None:
        """Bind to the running loop and start the owner.

        Raises `RuntimeError` if it was opened or closed before, `MailboxClosed` if it is closed
        while it opens, and whatever the runner's opening raises.
        """
        if self._state is not ActorState.NEW:
            raise RuntimeError("an actor is opened once")
        self._state = ActorState.OPENING
        try:
            await self._get_ready()
        except BaseException:  # a cancellation too: it did not open, and never will
            self._state = ActorState.CLOSED
            self._refusal = self._closed
            raise
        if self._state is not ActorState.OPENING:  # `aclose` came in between
            await self._runner.aclose()
            raise self._closed()
        self._loop = loop = asyncio.get_running_loop()
        self._create_future = loop.create_future
        self._is_running = loop.is_running
        self._thread = get_ident()
        self._state, self._refusal = ActorState.OPEN, None
        forget_on_fork(self)
        self._task = start(self._own(), self._name)

    async def __aenter__(self) -> Actor[S]:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def ask(self, command: Command[S, R], /) -> asyncio.Future[R]:
        """Queue a command and return its reply, to be awaited at once; wait in line if full.

        Cancelling the caller while the command is queued means certainly no effect; after the
        owner has taken it, whole or not at all.

        Raises `MailboxClosed`, `OwnerCrashed`, `WrongLoop`, `Reentrant`; awaiting the reply raises
        what the command raised, or one of the first two.
        """
        if self._refusal is not None:
            raise self._refusal()
        if (
            _get_running_loop() is not self._loop
            if _LOOKUP_IS_CHEAP
            else get_ident() != self._thread or not self._is_running()
        ) or self._runner.applying:
            raise self._misuse()
        reply: asyncio.Future[R] = self._create_future()
        envelope = command, reply
        if not self._mailbox.offer(envelope):
            self._mailbox.line_up(envelope)
        return reply

    def ask_nowait(self, command: Command[S, R], /) -> asyncio.Future[R]:
        """Queue a command like `ask`, but raise `MailboxFull` if `ask` would have to wait."""
        if self._refusal is not None:
            raise self._refusal()
        self._check_here()
        reply: asyncio.Future[R] = self._create_future()
        if not self._mailbox.offer((command, reply)):
            self._refused += 1
            raise self._translate(MailboxFull(self._mailbox.capacity))
        return reply

    async def settle(self) -> None:
        """Wait until all earlier commands have ended, whether their callers still wait or not.

        This includes commands in line for a full mailbox. An owner that has ended has settled
        everything. Raises `WrongLoop` and `Reentrant`, and what `ask` raises before opening.
        """
        fences = self._raise_fences()
        try:
            for fence in fences:
                with suppress(Exception):  # it ended meanwhile: every caller was answered
                    await fence
        finally:
            for fence in fences:
                fence.cancel()

    def statistics(self) -> ActorStatistics:
        """One moment's depth and the counters since opening; O(1)."""
        box = self._mailbox
        return ActorStatistics(
            state=self._state,
            depth=box.depth,
            depth_bytes=box.depth_bytes,
            waiting=box.waiting,
            capacity=box.capacity,
            capacity_bytes=box.capacity_bytes,
            batches=self._batches,
            commands=self._commands,
            largest_batch=self._largest,
            refused=self._refused,
            refusals=self._runner.refusals,
        )

    def observe(self, observer: Observer | None) -> None:
        """Notify this observer of each batch from now on; it replaces the previous one."""
        self._observer = observer
        self._mailbox.time(None if observer is None else time.perf_counter)

    def port(self) -> ThreadPort[S]:
        """Return a blocking port for other threads. Raises as `ask` does if not open."""
        if self._refusal is not None:
            raise self._refusal()
        return ThreadPort(
            self._loop, check=self._check_foreign, accept=self._accept, lost=self._lost
        )

    def loop_port(self) -> LoopPort[S]:
        """Return a port for tasks of other event loops. Raises as `ask` does if not open."""
        if self._refusal is not None:
            raise self._refusal()
        return LoopPort(
            self._loop,
            check=self._check_foreign,
            ask_here=self._ask_here,
            accept=self._accept,
            lost=self._lost,
        )

    async def aclose(self, *, timeout: float | None = None) -> None:
        """Refuse new commands, finish queued ones, stop the owner. Idempotent.

        After `timeout` seconds, the commands left are answered with `MailboxClosed` and are not
        applied. Raises `WrongLoop` and `Reentrant`, as `ask` does, `TypeError` for the timeout.
        """
        if timeout is not None and not isinstance(timeout, int | float):
            raise TypeError(f"a timeout is a number of seconds, not {type(timeout).__name__}")
        tasks = self._begin_closing()
        # Not `join` on the queue: if the owner died, it would wait for ever.
        if tasks and (await asyncio.wait(tasks, timeout=timeout))[1]:
            self._give_up()
            await asyncio.wait(tasks)

    def forget(self) -> None:
        """Refuse everything from now on: this is a forked copy, the owner is elsewhere."""
        self._state, self._refusal, self._task = ActorState.FORKED, self._forked, None

    async def _get_ready(self) -> None:
        await self._runner.open()

    def _raise_fences(self) -> list[asyncio.Future[None]]:
        """Queue a fence behind all commands; return it, or the end of an owner that closes.

        A fence is not a command: the runner never sees it. It is settled when its batch is done.
        """
        if (
            self._task is None
            and self._refusal is not None
            and self._state is not ActorState.CLOSED
        ):
            raise self._refusal()
        if self._task is None or self._task.done():
            return []
        self._check_here()
        fence: asyncio.Future[None] = self._create_future()
        if self._refusal is None:
            # A fence whose caller left may never be taken: the mailbox drops it from its line.
            self._fences = {each for each in self._fences if not each.done()} | {fence}
            self._mailbox.put((_FENCE, fence))
        else:
            self._task.add_done_callback(lambda _: succeed(fence, None))
        return [fence]

    def _begin_closing(self) -> set[asyncio.Task[None]]:
        """Refuse new commands from now on; return the task that is finishing the others, if any."""
        if self._state in (ActorState.NEW, ActorState.OPENING):
            self._state, self._refusal = ActorState.CLOSED, self._closed
        task = self._task
        if task is None or task.done():
            if self._state is ActorState.FORKED:
                raise self._forked()
            return set()
        self._check_here()
        if self._state is ActorState.OPEN:
            self._state, self._refusal = ActorState.CLOSING, self._closed
            self._mailbox.close()
        return {task}

    def _give_up(self) -> None:
        """Cancel the owner, once, and not while the runner closes: that would be left half done."""
        task = self._task
        self._runner.hurry()
        if self._state is ActorState.CLOSING and task is not None and not task.cancelling():
            task.cancel()

    async def _own(self) -> None:
        try:
            await asyncio.sleep(0)  # `open` returns when the owner is here
            await self._serve()
        except BaseException as crash:
            # `asyncio.run` ends so, `aclose(timeout=…)` too (arq#46). A CancelledError that comes
            # from a command, with nobody cancelling the owner, is a crash like any other.
            if isinstance(crash, asyncio.CancelledError) and self._task and self._task.cancelling():
                self._end(ActorState.CLOSED, self._closed)
                raise
            logger.error("%s crashed with %s", self._name, type(crash).__name__)
            self._end(ActorState.CRASHED, partial(self._crashed, crash))
            if not isinstance(crash, Exception):
                raise
        else:
            self._end(ActorState.CLOSED, self._closed)
        finally:
            await self._runner.aclose()

    async def _serve(self) -> None:
        while batch := await self._mailbox.take():
            self._current = batch
            if self._fences:
                batch = [envelope for envelope in batch if envelope[0] is not _FENCE]
                if not batch:  # nothing to apply
                    await self._drop_fences()
                    self._current = batch
                    continue
            size = len(batch)
            self._batches += 1
            self._commands += size
            if size > self._largest:  # noqa: PLR1730 - `max` is a call, once a batch
                self._largest = size
            observer = self._observer
            if observer is None:
                running = self._runner.run(batch)
                if running is not DONE:  # a caller alone should not pay for a coroutine
                    await running
            else:
                waited = self._mailbox.waited
                kept = await run_observed(self._runner, batch, observer, waited=waited)
                if not kept and self._observer is observer:
                    self.observe(None)
            if self._fences:
                await self._drop_fences()
            self._current = batch = []  # while it waits, nothing of the last batch stays alive
        await self._runner.finish()

    async def _drop_fences(self) -> None:
        fences = [reply for command, reply in self._current if command is _FENCE]
        # Others are yet to come, or were cancelled in line and never come.
        if not all(fence.done() for fence in fences):
            await self._runner.finish()
        for fence in fences:
            self._fences.discard(fence)
            succeed(fence, None)

    def _end(self, state: ActorState, refusal: Callable[[], Exception]) -> None:
        """Refuse new commands and answer all remaining ones, in one step."""
        self._state, self._refusal = state, refusal
        for _, reply in [*self._current, *self._mailbox.drain()]:
            fail(reply, refusal())
        self._current = []
        self._fences.clear()

    def _check_here(self) -> None:
        """Raise the error for a call from elsewhere, or from inside a command."""
        if get_ident() != self._thread or not self._is_running() or self._runner.applying:
            raise self._misuse()

    def _misuse(self) -> Exception:
        here = get_ident()
        if here == self._runner.thread or (self._runner.applying and here == self._thread):
            return self._translate(Reentrant())
        return self._translate(WrongLoop("another event loop or thread"))

    def _check_foreign(self) -> None:
        """Raise the error for a thread that cannot use a port."""
        if self._refusal is not None:
            raise self._refusal()
        # Idents are used again: once the loop has stopped, this may be another thread.
        if get_ident() == self._thread and self._is_running():
            raise self._translate(Reentrant() if self._runner.applying else WouldBlock())
        if self._runner.inside():
            raise self._translate(Reentrant())

    def _ask_here(self, command: Command[S, Any], /) -> asyncio.Future[Any]:
        reply = self.ask(command)
        self._runner.arrived(reply)
        return reply

    def _accept(self, command: Command[S, object], reply: Reply, /) -> None:
        if self._refusal is not None:
            raise self._refusal()
        self._mailbox.put((command, reply))
        self._runner.arrived(reply)

    def _lost(self, reply: Reply | None) -> Exception:
        """Return the error for a command whose loop does not run any more."""
        left = reply is not None and self._runner.holds(reply)
        if left or any(taken is reply for _, taken in self._current):
            return self._translate(LoopStopped())
        return self._closed()

    def _closed(self) -> Exception:
        return self._translate(MailboxClosed())

    def _crashed(self, cause: BaseException) -> Exception:
        return self._translate(OwnerCrashed(cause))

    def _forked(self) -> Exception:
        return self._translate(WrongLoop("a forked process"))


class _Fence(Command[Any, None]):
    """Stands in the mailbox where a command would; the runner never applies it."""

    def apply(self, state: object, /) -> None:
        """Do nothing."""


_FENCE = _Fence()


def _not_open() -> Exception:
    return RuntimeError("not open: use 'async with', or await open() first")
