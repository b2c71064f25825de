"""Answers the commands of one node: beside others where that keeps the order, or else together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from soleowner import CallerError, OwnerCrashed, Reply, fail

from ....operations.command import StoreCommand
from ....values.errors import OutcomeUnknown, StoreClosed
from ..delivery.request import OPEN, Request
from ..opening import Resources
from ..plans import make_plan
from .executor import Executor
from .flights import Flights
from .schedule import Job

__all__ = ["Entry", "Lane"]

Entry: TypeAlias = "tuple[StoreCommand[Any], Reply, float, float]"
"""A command, its reply, when it was asked, and the replication wait in total at that time."""

_FLIGHTS, _MOST_WAITING = 4, 64
"""Number of flights, and of commands that wait, beside which no further batch is taken: what comes
meanwhile goes together. Small flights would stay small."""


class Lane:
    """All commands of one node that have no answer yet, and what is sent when.

    What may go beside others does (`flights`). All else waits until nothing is out, and is then
    run together with what was asked with it (`executor`). An error of the store goes to its caller
    alone. Any other error is a bug and is raised, at the latest when the lane is next used.
    """

    def __init__(
        self,
        resources: Resources,
        refuse: Callable[[Reply, BaseException], None],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._plan_context, self._writer_log = resources.plan_context, resources.writer_log
        self.delivery = delivery = resources.new_delivery()
        self._executor = Executor(resources, delivery, refuse)
        self._changed = changed
        """Is called when commands have ended, and when a bug has ended this lane."""
        self._waiting: deque[Job] = deque()
        """Those that cannot be sent yet, in the order they were asked."""
        self._sent: deque[Job] = deque()
        """All from the oldest without an end. Its length bounds the numbers of writes that are out:
        a lost one can only be looked up while the ring still has its place."""
        self._flights = Flights(
            delivery,
            self._plan_context.keys,
            self._executor.begin_alone,
            self._note_landed,
            self._crash,
        )
        self._shut = False
        """Whether nothing goes beside others, until all that is here was run together."""
        self._failed: list[Request] = []
        """Requests of flights that failed, until then."""
        self._running = False
        """Whether that is being done."""
        self._task: asyncio.Task[None] | None = None
        """Does it where no caller of `run` does."""
        self._moved = asyncio.Event()
        self._closed = False
        self.crash: BaseException | None = None

    @property
    def unfinished(self) -> int:
        """Number of commands from the oldest without an end on."""
        return len(self._sent) + len(self._waiting)

    @property
    def replies(self) -> list[Reply]:
        """Those that may have no answer yet."""
        return [job.reply for job in (*self._sent, *self._waiting)]

    async def run(self, entries: Sequence[Entry], /) -> None:
        """Take the steps of all commands. Returns when there is room for more, not all have ended.

        A cancellation answers all: what was sent and not answered is unknown, the rest had no
        effect.
        """
        try:
            self._check()
            self._admit(entries)
            if self._send_beside():
                await self._run_together()
            while (
                self._running
                or self._flights.out >= _FLIGHTS
                or len(self._waiting) >= _MOST_WAITING
            ):
                await self._until_moved()
        except BaseException as error:
            self.abandon(error)
            raise

    async def finish(self) -> None:
        """Wait until all commands have ended."""
        try:
            while self.unfinished:
                await self._until_moved()
        except BaseException as error:
            self.abandon(error)
            raise

    def abandon(self, cause: BaseException) -> None:
        """Answer all commands. What was sent stays unknown; the rest had no effect."""
        self._closed = True
        closed = StoreClosed()
        if not isinstance(cause, asyncio.CancelledError):
            closed.__cause__ = OwnerCrashed(cause)
        for job in (*self._sent, *self._waiting):
            if job.may_have_effect and not job.reply.done():
                one = job.is_one_operation
                known = self._writer_log.operation_id(job.requests[0]) if one else ""
                fail(job.reply, OutcomeUnknown(known))
            fail(job.reply, closed)
        self._sent.clear()
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()  # it must send nothing that was answered here

    async def aclose(self) -> None:
        """Answer all commands, and stop."""
        self.abandon(asyncio.CancelledError())
        if self._task is not None:
            await asyncio.wait([self._task])

    def _admit(self, entries: Sequence[Entry]) -> None:
        self._shut = self._shut or self.delivery.goes_alone
        for command, reply, asked_at, waited in entries:
            self._shut = self._shut or not Flights.take(command)
            try:
                plan = make_plan(self._plan_context, command)
                self._waiting.append(Job(command, plan, reply, asked_at, waited))
            except CallerError as error:
                fail(reply, error)

    def _send_beside(self) -> bool:
        """Send what may go beside others. Returns whether all has to be run together instead."""
        if self._running:
            return False
        if not self._shut:
            before = self.unfinished
            self._shut = self._flights.send(self._waiting, self._sent, self._writer_log.capacity)
            if self.unfinished < before:  # some ended at once, and others may wait for that
                self._slide()
        return self._shut

    def _note_landed(self, jobs: Sequence[Job], failed: Sequence[Request]) -> None:
        """Answer what landed. What has no answer is run again once nothing is out."""
        if self._closed:
            return
        if self._executor.advance_all(jobs):
            self._shut = True
            self._failed += failed
        elif not self._shut:
            self.delivery.end_outage()
        self._slide()
        self._go_on()

    def _go_on(self) -> None:
        """Send what may go now that something has ended."""
        if self._send_beside():
            self._running = True
            self._task = asyncio.get_running_loop().create_task(
                self._run_in_task(), name="sessionkeeper lane"
            )

    async def _run_in_task(self) -> None:
        try:
            await self._run_together()
            self._go_on()
        except asyncio.CancelledError:
            raise
        except BaseException as crash:  # a bug: the owner raises it
            self._crash(crash)

    async def _run_together(self) -> None:
        """Run what the lane left without an answer, then what waits, in the order it was asked."""
        self._running = True
        try:
            await self._until_landed()
            failed = [request for request in self._failed if request.answer is OPEN]
            self._failed.clear()
            if failed:
                await self.delivery.pause(failed)
            left = self._executor.advance_all([job for job in self._sent if not job.ended])
            await self._executor.run(left, self._slide)
            self._slide()
            while self._waiting:
                while self._waiting and len(self._sent) < self._writer_log.capacity:
                    self._sent.append(self._waiting.popleft())
                await self._executor.run(list(self._sent), self._slide)
            self._shut = False
        finally:
            self._running = False
            self._slide()

    async def _until_landed(self) -> None:
        """Wait until nothing is out: only then an epoch may begin, and the order is certain."""
        while self._flights.out:
            await self._until_moved()

    def _slide(self) -> None:
        sent = self._sent
        while sent and sent[0].ended:
            sent.popleft()
        self._moved.set()
        self._changed()

    async def _until_moved(self) -> None:
        """Wait until something has landed or ended. Raises what crashed."""
        self._check()
        self._moved.clear()
        await self._moved.wait()
        self._check()

    def _check(self) -> None:
        if self.crash is not None:
            raise self.crash

    def _crash(self, crash: BaseException) -> None:
        self.crash = crash
        self.abandon(crash)
        self._slide()
