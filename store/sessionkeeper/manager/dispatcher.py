"""One task that runs the hooks: in order, one at a time, from a bounded queue.

Rules: the store never waits for a hook, a hook never runs inside the store, and nothing a hook does
ends the dispatcher.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable
from contextvars import Context
from typing import TypeAlias

from ..values.events import SessionEvent
from .hooks import HookFailure, SessionHooks
from .pending import PendingRequest
from .statistics import HookStatistics
from .supervised import Supervised

__all__ = ["HookDispatcher"]

logger = logging.getLogger("sessionkeeper")

_About: TypeAlias = SessionEvent | PendingRequest
_RESTART_AFTER = 0.1

# Hooks that outlive their manager because they ignore their cancellation: the loop itself holds
# tasks weakly (cpython#117379).
_left_behind: set[asyncio.Task[None]] = set()


class HookDispatcher:
    """Runs hooks for the events offered to it; an asynchronous one for `timeout` seconds at most.

    Each runs in the context that came with its event. For a coroutine that takes a task of its own,
    since a task keeps the context it was made with: one at a time, awaited before the next begins.
    One that ignores its cancellation is waited for, so there is never a second one beside it.
    """

    def __init__(self, hooks: SessionHooks, *, timeout: float | None, maximum: int) -> None:
        self._hooks = hooks
        self._timeout = timeout
        self._most = maximum
        self._queue: deque[tuple[tuple[str, ...], _About, Context]] = deque()
        # The event being delivered: its remaining runs, and the one that is awaited.
        self._runs: deque[tuple[str, _About | HookFailure]] = deque()
        self._context: Context | None = None
        self._awaited: tuple[asyncio.Task[None], str, _About | HookFailure] | None = None
        self._starting = self._overdue = False
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task = Supervised(
            self._serve, name="sessionkeeper hooks", delay=_RESTART_AFTER, died=self._note
        )
        self._events = self._delivered = self._dropped = self._failures = 0
        self._overflowing = False
        self._last_failure: str | None = None

    @property
    def waiting(self) -> int:
        """Events queued or being delivered."""
        return len(self._queue) + (self._context is not None)

    @property
    def is_asking(self) -> bool:
        """Whether the calling code is a hook that is being run."""
        if self._awaited is None:
            return self._starting
        return self._awaited[0] is asyncio.current_task()

    def start(self) -> None:
        """Start the dispatcher on the running loop, if there are hooks."""
        if self._hooks:
            self._task.start()

    def offer(self, names: tuple[str, ...], about: _About, context: Context) -> None:
        """Queue an event for these hooks. When full, the oldest event is dropped. O(1)."""
        self._events += 1
        if len(self._queue) >= self._most:
            self._queue.popleft()
            self._dropped += 1
            if not self._overflowing:
                self._overflowing = True
                logger.warning("the hooks are too slow: the oldest events are dropped")
        self._queue.append((names, about, context))
        self._idle.clear()
        self._news.set()

    async def flush(self) -> None:
        """Wait until all events are delivered."""
        await self._idle.wait()

    async def stop(self) -> None:
        """Stop, and cancel a hook that runs; events still `waiting` are not delivered."""
        await self._task.stop()
        if self._awaited is not None:
            task = self._awaited[0]
            task.cancel()
            await asyncio.sleep(0)  # the one turn it takes to end
            if not task.done():
                _left_behind.add(task)
                logger.error("a hook ignores its cancellation and is left behind")
            task.add_done_callback(_forget)

    def statistics(self) -> HookStatistics:
        """One moment's numbers."""
        return HookStatistics(
            events=self._events,
            delivered=self._delivered,
            dropped=self._dropped,
            waiting=self.waiting,
            failures=self._failures,
            last_failure=self._last_failure,
            restarts=self._task.restarts,
        )

    async def _serve(self) -> None:
        # State that must outlive this task is in attributes; a new task continues from there.
        while True:
            if self._awaited is not None:
                await self._finish(*self._awaited)
            elif self._context is not None:
                self._run_next(self._context)
            elif self._queue:
                names, about, self._context = self._queue.popleft()
                self._runs.extend((name, about) for name in names)
                await asyncio.sleep(0)  # functions that never await must not keep the loop
            else:
                self._overflowing = False
                self._idle.set()
                self._news.clear()
                await self._news.wait()

    def _run_next(self, context: Context) -> None:
        if not self._runs:
            self._context = None
            self._delivered += 1
            return
        name, about = self._runs.popleft()
        try:
            result = context.run(getattr(self._hooks, name), about)
        except BaseException as error:
            self._fail(name, about, error)
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise  # meant for the program, not for this task
            return
        if inspect.isawaitable(result):
            loop = asyncio.get_running_loop()
            self._starting = True
            try:  # an eager task factory runs the hook's first step right here (cpython#155338)
                task = loop.create_task(_await(result), name=f"hook {name}", context=context)
            finally:
                self._starting = False
            self._awaited = (task, name, about)

    async def _finish(
        self, task: asyncio.Task[None], name: str, about: _About | HookFailure
    ) -> None:
        if not self._overdue:
            await asyncio.wait({task}, timeout=self._timeout)
        if not task.done():
            if not self._overdue:
                self._overdue = True
                task.cancel()
            await asyncio.wait({task})
        overdue, self._overdue, self._awaited = self._overdue, False, None
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if overdue:
            error = TimeoutError()
        if error is not None:
            self._fail(name, about, error)

    def _fail(self, name: str, about: _About | HookFailure, error: BaseException) -> None:
        self._note(error)
        logger.warning("the hook %s failed with %s", name, self._last_failure)
        if self._hooks.failed is not None and not isinstance(about, HookFailure):
            self._runs.appendleft(("failed", HookFailure(name, about, error)))

    def _note(self, error: BaseException) -> None:
        self._failures += 1
        self._last_failure = type(error).__name__


async def _await(result: Awaitable[object]) -> None:
    await result


def _forget(task: asyncio.Task[None]) -> None:
    _left_behind.discard(task)
    if not task.cancelled():
        task.exception()  # retrieved, so that asyncio does not log it
