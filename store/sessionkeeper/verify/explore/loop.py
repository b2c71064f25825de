"""An event loop that runs one handle at a time, in an order that is chosen, in virtual time.

It is asyncio's own loop with another `_run_once`. Nothing here waits for the world: no sockets,
no signals, no processes, and jobs for threads run on the loop's own thread.
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
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .errors import Deadlock, StepLimit
from .lanes import THREADS, AnyTask, LaneHandle, LaneTask, Pick, lane_of
from .outside import SealedLoop
from .standing import standing

if TYPE_CHECKING:
    from .trace import Tracer

__all__ = ["ExplorerLoop"]

T = TypeVar("T")


class ExplorerLoop(SealedLoop):
    """Runs one scenario, once; everything that was chosen is in `choices` afterwards."""

    _ready: list[Handle]
    _scheduled: list[TimerHandle]
    _timer_cancelled_count: int
    _stopping: bool
    _thread_id: int | None
    _asyncgens: set[object]

    def __init__(self, *, victims: str | None = None, tracer: Tracer | None = None) -> None:
        super().__init__()
        self.set_debug(False)
        self._ready = []
        self._now = 0.0
        self._root: AnyTask | None = None
        self._names: dict[str, int] = {}
        self._victims = victims
        self._tracer = tracer
        self.tasks: list[AnyTask] = []
        self.victims: list[AnyTask] = []
        self.choices: list[int] = []
        self.complaints: list[str] = []
        self.verdict: AssertionError | None = None

    def drive(self, root: AnyTask, pick: Pick, max_steps: int) -> None:
        """Run until the root is done, nothing can go on (see `verdict`), or the limit."""
        self._root, self._pick, self._max_steps = root, pick, max_steps
        try:
            self.run_forever()
        finally:
            self._root = None

    def finish(self, limit: int = 10_000) -> list[str]:
        """Cancel the tasks that are left, end what is open; return where those tasks stood."""
        self._root, self._limit = None, len(self._ready)
        self.run_forever()  # as `asyncio.run` does: the turn comes to its end
        left = [task for task in self.tasks if not task.done()]
        stood = standing(left)
        for task in left:
            task.cancel()
        if self._asyncgens:
            self.create_task(self.shutdown_asyncgens())
        self._limit = limit
        self.run_forever()
        for task in self.tasks:
            if not task.done():  # it will not be cancelled
                task.get_coro().close()
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # not in the stubs
            elif task._log_traceback:
                task._log_traceback = False
                self.complaints.append(f"nobody looked at {task.get_name()}'s {task._exception!r}")
        self.tasks, self.victims = [], []
        return stood

    def _run_once(self) -> None:
        if self._root is None:
            self._wind_up()
        else:
            self._explore(self._root)
        self._stopping = True

    def _wind_up(self) -> None:
        for _ in range(self._limit):
            if not self._ready and self._scheduled:
                self._ring()
            if not self._ready:
                break
            handle = self._ready.pop(0)
            if not handle._cancelled:
                handle._run()

    def _explore(self, root: AnyTask) -> None:
        ready, victims, pick = self._ready, self.victims, self._pick
        record, tracer = self.choices.append, self._tracer
        turn = 0  # what asyncio would run before it looks at the timers again
        for _ in range(self._max_steps):
            if not turn:
                if self._scheduled:
                    self._ring()
                turn = len(ready)
                if not turn:
                    self.verdict = Deadlock(standing(self.tasks))
                    break
            choice = pick(ready, victims)
            if choice < 0:
                self._cancel(-choice)
                continue
            if choice:
                choice = self._head(choice)
            record(choice)
            turn -= 1
            handle = ready.pop(choice)
            if not handle._cancelled:
                if tracer is None:
                    handle._run()
                else:
                    tracer.run(handle, choice)
            if root.done() or self._stopping:
                break
        else:
            self.verdict = StepLimit(self._max_steps, standing(self.tasks))

    def _cancel(self, number: int) -> None:
        """Cancel a task that may be; a choice of its own, unless there is nothing to cancel."""
        if number <= len(self.victims) and self.victims[number - 1].cancel():
            self.choices.append(-number)
            if self._tracer is not None:
                self._tracer.cancelled(self.victims[number - 1])

    def _head(self, choice: int) -> int:
        """The place of the first handle in the lane of the one chosen."""
        ready = self._ready
        choice = min(choice, len(ready) - 1)
        lane = lane_of(ready[choice])
        if isinstance(lane, asyncio.Task):
            return choice  # a task is in the queue once
        return next(place for place in range(choice + 1) if lane_of(ready[place]) is lane)

    def _ring(self) -> None:
        """Make the timers that are due ready; if nothing else is, time jumps to the next one."""
        timers = self._scheduled
        while timers and (timers[0]._cancelled or timers[0].when() <= self._now or not self._ready):
            timer = heapq.heappop(timers)
            timer._scheduled = False  # type: ignore[attr-defined]  # not in the stubs
            if timer._cancelled:
                self._timer_cancelled_count -= 1
                continue
            self._now = max(self._now, timer.when())
            self._ready.append(timer)

    def time(self) -> float:
        """Return the virtual time, which begins at 0 and moves when nothing else can."""
        return self._now

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,
        context: Context | None = None,
        **_: object,
    ) -> asyncio.Task[T]:
        """Make a task; one without a name gets that of its coroutine, and a number."""
        if name is None:
            called = getattr(coro, "__name__", "task")
            number = self._names[called] = self._names.get(called, 0) + 1
            name = f"{called}-{number}"
        task: asyncio.Task[T]
        if self.get_task_factory() is None:
            task = LaneTask(
                cast("Coroutine[Any, Any, T]", coro),
                serial=len(self.tasks),
                loop=self,
                name=str(name),
                context=context,
            )
        else:
            task = super().create_task(coro, name=str(name), context=context)
        self.tasks.append(task)
        if self._victims is not None and task.get_name().startswith(self._victims):
            self.victims.append(task)
        return task

    def call_soon_threadsafe(  # type: ignore[override]  # typed with Ts, which 3.11 has not
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        """Queue a call in the lane of the threads; refuses real ones, whose order nobody knows."""
        if self._thread_id not in (None, get_ident()):
            raise RuntimeError("a thread of your own cannot take part in an exploration")
        handle = LaneHandle(callback, args, self, context, THREADS)
        self._ready.append(handle)
        return handle

    def run_in_executor(  # type: ignore[override]  # a future, which is what is awaited
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Queue a job as a lane of its own; those of a pool with one thread share a lane."""
        reply: asyncio.Future[T] = self.create_future()
        lane = executor if getattr(executor, "_max_workers", 0) == 1 else reply

        def deliver(give: Callable[..., None], what: object) -> None:
            if not reply.done():
                give(what)

        def job() -> None:
            if reply.done():
                return  # cancelled before a thread took it
            asyncio._set_running_loop(None)
            try:
                done = LaneHandle(deliver, (reply.set_result, func(*args)), self, None, lane)
            except Exception as error:
                done = LaneHandle(deliver, (reply.set_exception, error), self, None, lane)
            finally:
                asyncio._set_running_loop(self)
            # The answer comes later: the caller may be cancelled when the work is done.
            self._ready.append(done)

        self._ready.append(LaneHandle(job, (), self, None, lane))
        return reply

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what asyncio would log."""
        error = context.get("exception")
        self.complaints.append(
            f"{context.get('message')}" + (f": {error!r}" if error is not None else "")
        )
