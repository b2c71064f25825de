"""A task that is restarted whenever it ends unexpectedly."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine
from typing import Literal, TypeAlias

__all__ = ["Supervised", "TaskState", "backed_off"]

logger = logging.getLogger("sessionkeeper")

TaskState: TypeAlias = Literal["running", "restarting", "stopped"]

_LONGEST_WAIT = 60.0


class Supervised:
    """Keeps one task running from `start` to `stop`, unless it returns by itself.

    It is started again `delay` seconds after its death; the delay doubles with each death in a
    row, up to a minute. An immediate restart would be a busy loop, and a task started while
    `asyncio.run` cancels all tasks would be left behind. `died` is called with each death.
    """

    def __init__(
        self,
        run: Callable[[], Coroutine[object, object, None]],
        *,
        name: str,
        delay: float,
        died: Callable[[BaseException], None] = lambda _: None,
    ) -> None:
        self._run = run
        self._name = name
        self._delay = delay
        self._died = died
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = True
        self._begun = 0.0
        self._in_a_row = 0
        self.restarts = 0

    @property
    def state(self) -> TaskState:
        """Whether the task runs, is about to be started again, or ended by itself."""
        if self._task is not None:
            return "running"
        return "stopped" if self._timer is None else "restarting"

    def start(self) -> None:
        """Start the task on the running loop."""
        self._stopped = False
        self._begin()

    async def stop(self) -> None:
        """Cancel the task and wait for its end. Idempotent."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _begin(self) -> None:
        self._timer = None
        # An empty context: it serves no single caller.
        loop = asyncio.get_running_loop()
        self._begun = loop.time()
        task = loop.create_task(self._run(), name=self._name, context=contextvars.Context())
        self._task = task
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._task = None
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if self._stopped or error is None:
            return
        loop = task.get_loop()
        if loop.time() - self._begun > _LONGEST_WAIT:
            self._in_a_row = 0  # it had recovered
        wait = backed_off(self._delay, self._in_a_row)
        self._in_a_row += 1
        self.restarts += 1
        logger.error(
            "the %s died with %s; it is started again in %g s",
            self._name,
            type(error).__name__,
            wait,
        )
        self._died(error)
        self._timer = loop.call_later(wait, self._begin)


def backed_off(delay: float, failures: int) -> float:
    """Return the wait after `failures` in a row: doubled each time, a minute at most."""
    return max(delay, min(delay * 2.0 ** min(failures, 64), _LONGEST_WAIT))
