"""The queue of an event loop: lanes, virtual time, and thread jobs on the thread of the loop.

Everything else is asyncio's own: tasks, futures, and what is built on them.
"""

# What asyncio schedules is private to it, and an event loop has to look at it.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import heapq
from asyncio import Handle, TimerHandle
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from threading import get_ident
from typing import Any, TypeVar, cast

from .lanes import CALLBACKS, THREADS, AnyTask, LaneHandle, LaneTask, LaneTimer, Ready
from .sealed_loop import SealedLoop

__all__ = ["LaneLoop"]

T = TypeVar("T")

_NO_TASK_OF_OURS = 1_000_000


class LaneLoop(SealedLoop):
    """Keeps the ready handles in lanes; a subclass runs them."""

    _ready: Ready
    _scheduled: list[LaneTimer]
    _timer_cancelled_count: int
    _thread_id: int | None

    def __init__(self) -> None:
        super().__init__()
        self.set_debug(False)
        self._ready = []
        self._now = 0.0
        self._timers = 0
        self._shared = 0  # ready handles of lanes that can have more than one
        self._lanes: dict[object, int] = {}  # of callbacks that belong to no task
        self._names: dict[str, int] = {}
        self.tasks: list[AnyTask] = []
        self.complaints: list[str] = []

    def _fire_timers(self) -> None:
        """Make due timers ready; if nothing is ready, move time to the next timer."""
        timers = self._scheduled
        while timers and (timers[0]._cancelled or timers[0].when() <= self._now or not self._ready):
            timer = heapq.heappop(timers)
            timer._scheduled = False  # type: ignore[attr-defined]  # not in the stubs
            if timer._cancelled:
                self._timer_cancelled_count -= 1
                continue
            self._now = max(self._now, timer.when())
            self._ready.append(timer)
            self._shared += 1

    def time(self) -> float:
        """Return the virtual time. It begins at 0 and moves only when nothing is ready."""
        return self._now

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,
        context: Context | None = None,
        **_: object,
    ) -> asyncio.Task[T]:
        """Make a task; without a name it gets that of its coroutine, with a number."""
        called = getattr(coro, "__name__", "task")
        # Counted even with a name: on 3.11, asyncio sets the name later.
        number = self._names[called] = self._names.get(called, 0) + 1
        if name is None:
            name = f"{called}-{number}"
        task: asyncio.Task[T]
        if self.get_task_factory() is None:
            task = LaneTask(
                cast("Coroutine[Any, Any, T]", coro),
                lane=len(self.tasks) + 1,
                loop=self,
                name=str(name),
                context=context,
            )
        else:
            task = super().create_task(coro, name=str(name), context=context)
        self.tasks.append(task)
        return task

    def call_soon(  # type: ignore[override]  # typed with Ts, which 3.11 has not
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        """Queue a call; steps and wake-ups of a task are bound to it and go to its lane."""
        bound = getattr(callback, "__self__", None)
        if type(bound) is not LaneTask:
            return self._queue(self._choose_lane(bound), callback, args, context)
        handle = LaneHandle(callback, args, self, context)
        handle.lane = bound.lane
        self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]  # as above
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> TimerHandle:
        """Set a timer, in virtual time."""
        self._timers += 1
        timer = LaneTimer(when, callback, args, self, context)
        timer.number = self._timers
        timer._scheduled = True  # type: ignore[attr-defined]  # not in the stubs
        heapq.heappush(self._scheduled, timer)
        return timer

    def call_soon_threadsafe(  # type: ignore[override]  # as above
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        """Queue a call in the lane of the threads; refuse a real thread: its order is unknown."""
        if self._thread_id not in (None, get_ident()):
            raise RuntimeError("a real thread cannot be explored")
        return self._queue(THREADS, callback, args, context)

    def run_in_executor(  # type: ignore[override]  # a future, which is what is awaited
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Queue a job in its own lane; jobs of a pool with one thread share a lane."""
        reply: asyncio.Future[T] = self.create_future()
        if getattr(executor, "_max_workers", 0) == 1:
            lane = THREADS - self._number(executor)
        else:
            lane = _NO_TASK_OF_OURS + self._number(reply)

        def deliver(give: Callable[..., None], what: object) -> None:
            if not reply.done():
                give(what)

        def job() -> None:
            if reply.done():
                return  # cancelled before a thread took it
            asyncio._set_running_loop(None)
            try:
                done: tuple[object, ...] = (reply.set_result, func(*args))
            except Exception as error:
                done = (reply.set_exception, error)
            finally:
                asyncio._set_running_loop(self)
            # The result comes later: the caller may be cancelled when the work is done.
            self._queue(lane, deliver, done, None)

        self._queue(lane, job, (), Context())  # a thread has its own context
        return reply

    def _queue(
        self,
        lane: int,
        callback: Callable[..., object],
        args: tuple[object, ...],
        context: Context | None,
    ) -> Handle:
        if self.is_closed():
            raise RuntimeError("the run this loop was made for has ended")
        handle = LaneHandle(callback, args, self, context)
        handle.lane = lane
        if lane <= 0:
            self._shared += 1
        self._ready.append(handle)
        return handle

    def _choose_lane(self, bound: object) -> int:
        if isinstance(bound, asyncio.Task):  # of the scenario's own factory
            return _NO_TASK_OF_OURS + self._number(cast("object", bound))
        return CALLBACKS

    def _number(self, thing: object) -> int:
        return self._lanes.setdefault(thing, len(self._lanes) + 1)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep an error that asyncio would log."""
        error = context.get("exception")
        self.complaints.append(
            f"{context.get('message')}" + (f": {error!r}" if error is not None else "")
        )
