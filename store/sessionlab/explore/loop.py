"""An event loop that runs one handle at a time, in a chosen order."""

# What asyncio schedules is private to it, and an event loop has to look at it.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from .errors import Deadlock, StepLimit
from .lane_loop import LaneLoop
from .lanes import AnyTask, Pick, Ready
from .task_stacks import describe_pending

if TYPE_CHECKING:
    from .trace import Tracer

__all__ = ["ExplorerLoop"]


class ExplorerLoop(LaneLoop):
    """Runs one scenario once, and records the choices."""

    _stopping: bool
    _asyncgens: set[object]

    def __init__(self, *, cancellable: str | None = None, tracer: Tracer | None = None) -> None:
        super().__init__()
        self._root: AnyTask | None = None
        self._cancellable_prefix = cancellable
        self._tracer = tracer
        self.cancellable: list[AnyTask] = []
        self.choices: list[int] = []
        self.verdict: AssertionError | None = None

    def drive(self, root: AnyTask, pick: Pick, max_steps: int) -> None:
        """Run until the root task is done, no task can run (see `verdict`), or the step limit."""
        self._root, self._max_steps = root, max_steps
        self._pick = (
            pick
            if self._cancellable_prefix is None
            else self._collect_cancellable(pick, self._cancellable_prefix)
        )
        try:
            self.run_forever()
        finally:
            self._root = None

    def finish(self, limit: int = 10_000) -> list[str]:
        """Cancel the remaining tasks, close the rest; return where those tasks were suspended."""
        self._root = None
        self._wind_up_in(1_000, timers=False)  # run what needs no time
        left = [task for task in self.tasks if not task.done()]
        stood = describe_pending(left)
        for task in left:
            task.cancel()
        if self._asyncgens:
            self.create_task(self.shutdown_asyncgens())
        if self._ready:
            self._wind_up_in(limit, timers=True)
        for task in self.tasks:
            if not task.done():  # it ignores cancellation
                with suppress(RuntimeError):  # it cannot be closed either
                    task.get_coro().close()
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # not in the stubs
            elif task._log_traceback:
                task._log_traceback = False
                self.complaints.append(
                    f"unretrieved error of {task.get_name()}: {task._exception!r}"
                )
        self.tasks, self.cancellable = [], []
        return stood

    def _run_once(self) -> None:
        if self._root is None:
            self._wind_up()
        else:
            self._explore(self._root)
        self._stopping = True

    def _wind_up_in(self, limit: int, *, timers: bool) -> None:
        if self._ready or timers:
            self._limit, self._ringing = limit, timers
            self.run_forever()

    def _wind_up(self) -> None:
        for _ in range(self._limit):
            if not self._ready and self._scheduled and self._ringing:
                self._fire_timers()
            if not self._ready:
                break
            handle = self._ready.pop(0)
            if not handle._cancelled:
                handle._run()

    def _explore(self, root: AnyTask) -> None:
        ready, cancellable, pick = self._ready, self.cancellable, self._pick
        record, tracer = self.choices.append, self._tracer
        turn = 0  # the handles that asyncio would run before it checks the timers
        for _ in range(self._max_steps):
            if not turn:
                if self._scheduled:
                    self._fire_timers()
                turn = len(ready)
                if not turn:
                    self.verdict = Deadlock(describe_pending(self.tasks))
                    break
            choice = pick(ready, cancellable)
            if choice < 0:
                self._cancel(-choice)
                continue
            if choice:
                choice = self._overtake(choice)
            record(choice)
            turn -= 1
            handle = ready.pop(0)
            if handle.lane <= 0:
                self._shared -= 1
            if not handle._cancelled:
                if tracer is None:
                    handle._run()
                else:
                    tracer.run(handle, choice)
            if root.done() or self._stopping:
                break
        else:
            self.verdict = StepLimit(self._max_steps, describe_pending(self.tasks))

    def _collect_cancellable(self, pick: Pick, prefix: str) -> Pick:
        """Before each choice, note by their names which new tasks may be cancelled."""
        looked = 0

        def enlist(ready: Ready, cancellable: list[AnyTask]) -> int:
            nonlocal looked
            for task in self.tasks[looked:]:
                if task.get_name().startswith(prefix) and task not in (self._root, *cancellable):
                    cancellable.append(task)
            looked = len(self.tasks)
            return pick(ready, cancellable)

        return enlist

    def _cancel(self, number: int) -> None:
        """Cancel a cancellable task. This is a choice, unless no task can be cancelled."""
        if number <= len(self.cancellable) and self.cancellable[number - 1].cancel():
            self.choices.append(-number)
            if self._tracer is not None:
                self._tracer.cancelled(self.cancellable[number - 1])

    def _overtake(self, choice: int) -> int:
        """Move the chosen handle to the head of the queue, and return its position.

        The tasks before it go to the end. If a lane can have more than one handle ready, its first
        one is chosen, and skipped handles keep their position: the order within a lane is kept.
        """
        ready = self._ready
        choice = min(choice, len(ready) - 1)
        if not self._shared:
            ready += ready[:choice]
            del ready[:choice]
            return choice
        chosen = ready[choice]
        if chosen.lane <= 0:
            choice = next(n for n, handle in enumerate(ready) if handle.lane == chosen.lane)
            chosen = ready[choice]
        passed = ready[:choice]
        ready[: choice + 1] = [chosen, *[handle for handle in passed if handle.lane <= 0]]
        ready += [handle for handle in passed if handle.lane > 0]
        return choice
