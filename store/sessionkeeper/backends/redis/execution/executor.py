"""Runs commands together: all their next steps share one round trip."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from soleowner import CallerError, Reply, fail, succeed

from ....values.errors import OutcomeUnknown, SessionError
from ..client.call import is_status
from ..codec import Unreadable
from ..delivery.delivery import Delivery
from ..delivery.request import OPEN, Request
from ..opening import Resources
from ..plans import make_plan
from .schedule import Job, Schedule

__all__ = ["Executor"]


class Executor:
    """Sends jobs as one pipeline to each node, and answers each job as soon as possible.

    An error of the store goes to its caller alone. Any other error is a bug and is raised. A
    cancellation leaves what was sent and not answered `may_have_effect`.
    """

    def __init__(
        self,
        resources: Resources,
        delivery: Delivery,
        refuse: Callable[[Reply, BaseException], None],
    ) -> None:
        self._delivery = delivery
        self._plan_context = resources.plan_context
        self._refuse = refuse

    async def run(self, jobs: list[Job], ended: Callable[[], None], /) -> None:
        """Take the steps of all jobs together until all have ended; calls `ended` as they do."""
        while jobs:
            jobs = await self._round_trip(jobs)
            ended()

    def begin_alone(self, job: Job) -> bool:
        """Begin a job outside of a round trip. Returns whether it has a request to send."""
        if job.reply.done():
            return False  # its caller was cancelled: it has no effect
        job.begun = True
        if not self._advance(job):
            return False
        for request in job.requests:
            self._delivery.set_deadline(request, job.asked_at, job.waited)
        return True

    async def _round_trip(self, jobs: list[Job]) -> list[Job]:
        """Send the requests of all jobs that may go now. Returns the jobs without an answer."""
        jobs, requests = self._begin(jobs)
        if not requests:
            return jobs
        self._plan_context.predictions.begin(request.bucket for request in requests)
        await self._delivery.attempt(requests)
        # Answer finished commands now; do not hold them for slower ones.
        jobs = self.advance_all(jobs)
        still = [request for request in requests if request.answer is OPEN and not request.stale]
        if not still:
            self._delivery.end_outage()
            return jobs
        await self._delivery.pause(still)
        return self.advance_all(jobs)

    def _begin(self, jobs: list[Job]) -> tuple[list[Job], list[Request]]:
        """Begin the jobs that may go now. Returns the unfinished jobs, and what is to be sent."""
        schedule, left, requests = Schedule(), list[Job](), list[Request]()
        set_deadline = self._delivery.set_deadline
        for job in jobs:
            predecessors = schedule.predecessors(job)
            if not job.begun and job.reply.done():
                job.ended = True
                continue  # its caller was cancelled: it has no effect
            if predecessors is None:
                schedule.block(job)
                left.append(job)
                continue
            if not job.begun:
                job.begun = True
                if not self._advance(job):
                    continue
            for request in job.requests:
                if request.answer is OPEN:
                    request.behind = predecessors
                    set_deadline(request, job.asked_at, job.waited)
                    requests.append(request)
            schedule.add(job)
            left.append(job)
        return left, requests

    def advance_all(self, jobs: Sequence[Job]) -> list[Job]:
        """Take the next step of all jobs with answers. Returns the jobs that are not finished."""
        return [job for job in jobs if not job.begun or self._advance(job)]

    def _advance(self, job: Job) -> bool:
        """Take a job's next step if it has all answers. Returns whether it is not finished."""
        again = False
        for request in job.requests:
            if request.answer is OPEN:
                return True
            # Only a request behind another one can be answered with BEHIND.
            again = again or bool(request.behind and is_status(request.answer, b"BEHIND"))
        if again:  # a write before it was not applied, so it had no effect and begins again
            job.plan, job.requests, job.begun = (
                make_plan(self._plan_context, job.command),
                [],
                False,
            )
            return True
        try:
            job.requests = self._take_step(job)
        except StopIteration as end:
            succeed(job.reply, end.value)
        except CallerError as error:
            fail(job.reply, error)
        except SessionError as error:
            self._refuse(job.reply, error)
        else:
            return True
        job.ended = True
        return False

    def _take_step(self, job: Job) -> list[Request]:
        if not job.requests:
            return next(job.plan)
        answers = [request.answer for request in job.requests]
        errors = [answer for answer in answers if isinstance(answer, Exception)]
        if errors:
            # Some buckets may have changed. Then no error may say "no effect".
            partly = job.may_have_effect or any(isinstance(each, OutcomeUnknown) for each in errors)
            return job.plan.throw(
                OutcomeUnknown() if partly and not job.is_one_operation else errors[0]
            )
        try:
            requests = job.plan.send(answers)
        except Unreadable as found:
            if job.may_have_effect:
                raise OutcomeUnknown from None
            raise self._plan_context.cannot_read(found) from None
        job.wrote = job.may_have_effect
        return requests
