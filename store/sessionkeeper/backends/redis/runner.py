"""Where a batch becomes pipelines: the steps of all its commands go together, round by round."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from soleowner import Batch, CallerError, Reply, Runner, fail, succeed

from ...errors import OutcomeUnknown, SessionError, StoreUnavailable
from ...store_command import StoreCommand
from ...tables import Tables
from .ask import OPEN, Ask
from .codec import Unreadable
from .operations import plan_of
from .order import Job, Line
from .works import Works

__all__ = ["RedisRunner"]


_ABANDONED = 4096


class RedisRunner(Runner[Tables]):
    """Sends a batch as one pipeline a node, and answers each command as soon as it can.

    Errors of the store answer their caller alone; any other is a bug and crashes the owner. When it
    is cancelled, what was sent and not answered is unknown, and the rest had no effect.
    """

    def __init__(self, get_ready: Callable[[], Awaitable[Works]]) -> None:
        self._get_ready = get_ready
        self._works: Works | None = None
        self._arrivals: dict[Reply, tuple[float, float]] = {}

    def arrived(self, reply: Reply, /) -> None:
        """Note when a command was asked: its caller's patience begins in the mailbox."""
        self._arrivals[reply] = (self._now(), self._delivery.waited)

    @property
    def works(self) -> Works:
        """What it works with. Raises `RuntimeError` before it was opened."""
        if self._works is None:
            raise RuntimeError("not open")
        return self._works

    @property
    def applying(self) -> bool:  # type: ignore[override]  # computed where others keep it
        return self._works is not None and self._works.setting.applying

    async def open(self) -> None:
        """Connect and agree on the layout. Raises `StoreUnavailable`."""
        self._works = works = await self._get_ready()
        self._setting, self._delivery, self._ledger = works.setting, works.delivery, works.ledger
        self._now = asyncio.get_running_loop().time

    async def aclose(self) -> None:
        """Close the connections, and tell who watches."""
        works = self._works
        if works is not None:
            await works.aclose()

    async def run(self, batch: Batch[Tables], /) -> None:
        """Take the steps of all commands together until all are answered."""
        jobs: list[Job] = []
        arrivals = self._arrivals
        for command, reply in batch:
            arrival = arrivals.pop(reply, None) or (self._now(), self._delivery.waited)
            try:
                # Of its own kind: a store's facade sends nothing else.
                asked = cast("StoreCommand[Any]", command)
                jobs.append(Job(asked, plan_of(self._setting, asked), reply, *arrival))
            except CallerError as error:
                fail(reply, error)
        if len(arrivals) > _ABANDONED:
            # Those of callers who gave up in line never come here.
            self._arrivals = {reply: at for reply, at in arrivals.items() if not reply.done()}
        try:
            while jobs:
                jobs = await self._round(jobs)
        except asyncio.CancelledError:
            for job in jobs:
                if job.unknown and not job.reply.done():
                    known = self._ledger.operation_id(job.asks[0]) if job.whole else ""
                    fail(job.reply, OutcomeUnknown(known))
            raise

    async def _round(self, jobs: list[Job]) -> list[Job]:
        """Ask once what all jobs whose turn it is want to know; return those not answered."""
        jobs, asks = self._due(jobs)
        if not asks:
            return jobs
        self._setting.guesses.begin()
        await self._delivery.attempt(asks)
        # Who has an answer gets it now, however long the others have to wait for theirs.
        jobs = self._advanced(jobs)
        still = [ask for ask in asks if ask.answer is OPEN and not ask.stale]
        if not still:
            self._delivery.calm()
            return jobs
        await self._delivery.pause(still)
        return self._advanced(jobs)

    def _due(self, jobs: list[Job]) -> tuple[list[Job], list[Ask]]:
        """Begin the jobs whose turn has come; return those not answered, and what is asked now."""
        line, left, asks = Line(), list[Job](), list[Ask]()
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
            for ask in job.open:
                ask.behind = before
                self._delivery.set_deadline(ask, job.since, job.waited)
                asks.append(ask)
            line.add(job)
            left.append(job)
        return left, asks

    def _advanced(self, jobs: list[Job]) -> list[Job]:
        """Take the next step of all that are answered; return those that ask for more."""
        return [job for job in jobs if not job.begun or job.open or self._advance(job)]

    def _advance(self, job: Job) -> bool:
        """Take a job's next step; say whether it asks for more."""
        if job.asks and job.behind:
            job.plan, job.asks, job.begun = plan_of(self._setting, job.command), [], False
            return True
        try:
            job.asks = self._step(job)
        except StopIteration as end:
            succeed(job.reply, end.value)
        except CallerError as error:
            fail(job.reply, error)
        except SessionError as error:
            self.refuse(job.reply, error)
        else:
            return True
        return False

    def _step(self, job: Job) -> list[Ask]:
        if not job.asks:
            return next(job.plan)
        answers = [ask.answer for ask in job.asks]
        errors = [answer for answer in answers if isinstance(answer, Exception)]
        if not errors:
            job.wrote = job.wrote or any(ask.changed for ask in job.asks)
            try:
                return job.plan.send(answers)
            except Unreadable as found:
                # One session that somebody else wrote to must not end the store of all others.
                where = f"{self.works.servers.name}: what it holds as {found} cannot be read"
                raise (OutcomeUnknown() if job.wrote else StoreUnavailable(where)) from None
        # Of several buckets some have changed: then not even the others' error means no effect.
        halved = job.unknown or any(isinstance(error, OutcomeUnknown) for error in errors)
        return job.plan.throw(OutcomeUnknown() if halved and not job.whole else errors[0])
