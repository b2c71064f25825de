"""The sweeper ends, deletes or times out what is due, in batches, without a scan.

Rules: a step that fails is counted, logged and tried again with growing delays, and the others go
on; only closing the manager, or its store, ends the sweeper.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ..values.errors import StoreClosed
from .statistics import SweeperStatistics
from .supervised import Supervised, backed_off

__all__ = ["Sleep", "SweepStep", "Sweeper"]

logger = logging.getLogger("sessionkeeper")

Sleep: TypeAlias = Callable[[float], Awaitable[None]]

_RESTART_AFTER = 0.1


class SweepStep:
    """One step of the sweeper: `work` does a batch and returns its size."""

    def __init__(self, name: str, work: Callable[[], Awaitable[int]], *, batch: int) -> None:
        self.name = name
        self.work = work
        self.batch = batch
        self.done = 0
        self.failures_in_a_row = 0
        self.not_before = float("-inf")
        self.refused = False


class Sweeper:
    """Runs its steps every `interval` seconds; a full batch is followed by the next at once."""

    def __init__(
        self,
        steps: list[SweepStep],
        *,
        interval: float,
        clock: Callable[[], float],
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._steps = {step.name: step for step in steps}
        self._interval = interval
        self._clock = clock
        self._sleep = sleep
        self._task = Supervised(
            self._serve, name="sessionkeeper sweeper", delay=_RESTART_AFTER, died=self._note_death
        )
        self._sweeps = self._failures = 0
        self._last_error: str | None = None
        self._last_sweep: float | None = None

    def start(self) -> None:
        """Start sweeping on the running loop, unless nothing will ever be due."""
        if self._steps:
            self._task.start()

    async def stop(self) -> None:
        """Stop sweeping. A step that runs is cancelled: whole or not at all. Idempotent."""
        await self._task.stop()

    async def sweep(self) -> None:
        """Do all that is due now. Raises `StoreClosed` and nothing else."""
        now = self._clock()
        due = [s for s in self._steps.values() if not s.refused and s.not_before <= now]
        while due:
            due = [step for step in due if await self._one_batch(step)]
            if due:
                await asyncio.sleep(0)  # other tasks of the loop run in between
        self._sweeps += 1
        self._last_sweep = self._clock()

    def statistics(self) -> SweeperStatistics:
        """One moment's numbers."""
        last = self._last_sweep
        return SweeperStatistics(
            state=self._task.state if self._steps else "off",
            sweeps=self._sweeps,
            failures=self._failures,
            restarts=self._task.restarts,
            last_error=self._last_error,
            refused=frozenset(s.name for s in self._steps.values() if s.refused),
            done={name: step.done for name, step in self._steps.items()},
            since_last_sweep=None if last is None else max(0.0, self._clock() - last),
        )

    async def _serve(self) -> None:
        while True:
            await self._sleep(self._interval)
            try:
                await self.sweep()
            except StoreClosed:
                logger.error("the sweeper stops: its store is closed")
                return

    async def _one_batch(self, step: SweepStep) -> bool:
        """Do one batch; return whether there may be more."""
        try:
            done = await step.work()
        except NotImplementedError:
            step.refused = True
            logger.warning("the sweeper goes on without %s: the store has no such thing", step.name)
            return False
        except Exception as error:
            self._note(step, error)
            if isinstance(error, StoreClosed):
                raise
            return False
        step.failures_in_a_row = 0
        step.done += done
        return done >= step.batch

    def _note(self, step: SweepStep, error: Exception) -> None:
        step.not_before = self._clock() + backed_off(self._interval, step.failures_in_a_row)
        step.failures_in_a_row += 1
        self._failures += 1
        self._last_error = type(error).__name__
        logger.warning("the sweeper's step %s failed with %s", step.name, self._last_error)

    def _note_death(self, error: BaseException) -> None:
        self._failures += 1
        self._last_error = type(error).__name__
