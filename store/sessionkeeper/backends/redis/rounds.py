"""Where a batch becomes pipelines: the steps of all its commands go together, round by round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from soleowner import CallerError, Reply, fail, succeed

from ...operations.command import StoreCommand
from ...values.errors import OutcomeUnknown, SessionError, StoreUnavailable
from .codec import Unreadable
from .delivery.delivery import Delivery
from .delivery.request import OPEN, Request
from .opening import Resources
from .order import Job, Line
from .plans import plan_of

__all__ = ["Entry", "Rounds"]

Entry: TypeAlias = "tuple[StoreCommand[Any], Reply, float, float]"
"""A command, its reply, when it was asked, and what had been waited for replicas by then."""


class Rounds:
    """Sends a batch as one pipeline a node, and answers each command as soon as it can.

    Errors of the store answer their caller alone; any other is a bug and is raised. When it is
    cancelled, what was sent and not answered is unknown, and the rest had no effect.
    """

    def __init__(
        self,
        resources: Resources,
        delivery: Delivery,
        refuse: Callable[[Reply, BaseException], None],
    ) -> None:
        self.delivery = delivery
        self._name = resources.servers.name
        self._plan_context, self._writer_log = resources.plan_context, resources.writer_log
        self._refuse = refuse

    async def run(self, entries: Sequence[Entry], /) -> None:
        """Take the steps of all commands together until all are answered."""
        jobs: list[Job] = []
        for command, reply, since, waited in entries:
            try:
                jobs.append(
                    Job(command, plan_of(self._plan_context, command), reply, since, waited)
                )
            except CallerError as error:
                fail(reply, error)
        try:
            while jobs:
                jobs = await self._round(jobs)
        except asyncio.CancelledError:
            for job in jobs:
                if job.unknown and not job.reply.done():
                    known = self._writer_log.operation_id(job.requests[0]) if job.whole else ""
                    fail(job.reply, OutcomeUnknown(known))
            raise

    async def _round(self, jobs: list[Job]) -> list[Job]:
        """Ask once what all jobs whose turn it is want to know; return those not answered."""
        jobs, requests = self._due(jobs)
        if not requests:
            return jobs
        self._plan_context.predictions.begin(request.bucket for request in requests)
        await self.delivery.attempt(requests)
        # Who has an answer gets it now, however long the others have to wait for theirs.
        jobs = self._advanced(jobs)
        still = [request for request in requests if request.answer is OPEN and not request.stale]
        if not still:
            self.delivery.calm()
            return jobs
        await self.delivery.pause(still)
        return self._advanced(jobs)

    def _due(self, jobs: list[Job]) -> tuple[list[Job], list[Request]]:
        """Begin the jobs whose turn has come; return those not answered, and what is asked now."""
        line, left, requests = Line(), list[Job](), list[Request]()
        for job in jobs:
            before = line.before(job)
            if not job.begun and job.reply.done():
                continue  # its caller was cancelled: it has no effect
            if before is None:
                line.close(job)
                left.append(job)
                continue
            if not job.begun:
                job.begun = True
                if not self._advance(job):
                    continue
            for request in job.open:
                request.behind = before
                self.delivery.set_deadline(request, job.since, job.waited)
                requests.append(request)
            line.add(job)
            left.append(job)
        return left, requests

    def _advanced(self, jobs: list[Job]) -> list[Job]:
        """Take the next step of all that are answered; return those that ask for more."""
        return [job for job in jobs if not job.begun or job.open or self._advance(job)]

    def _advance(self, job: Job) -> bool:
        """Take a job's next step; say whether it asks for more."""
        if job.requests and job.behind:
            job.plan, job.requests, job.begun = plan_of(self._plan_context, job.command), [], False
            return True
        try:
            job.requests = self._step(job)
        except StopIteration as end:
            succeed(job.reply, end.value)
        except CallerError as error:
            fail(job.reply, error)
        except SessionError as error:
            self._refuse(job.reply, error)
        else:
            return True
        return False

    def _step(self, job: Job) -> list[Request]:
        if not job.requests:
            return next(job.plan)
        answers = [request.answer for request in job.requests]
        errors = [answer for answer in answers if isinstance(answer, Exception)]
        if not errors:
            job.wrote = job.wrote or any(request.changed for request in job.requests)
            try:
                return job.plan.send(answers)
            except Unreadable as found:
                # One session that somebody else wrote to must not end the store of all others.
                where = f"{self._name}: what it holds as {found} cannot be read"
                raise (OutcomeUnknown() if job.wrote else StoreUnavailable(where)) from None
        # Of several buckets some have changed: then not even the others' error means no effect.
        halved = job.unknown or any(isinstance(error, OutcomeUnknown) for error in errors)
        return job.plan.throw(OutcomeUnknown() if halved and not job.whole else errors[0])
