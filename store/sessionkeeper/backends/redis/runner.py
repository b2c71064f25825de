"""Where a batch becomes pipelines: the steps of all its commands go together, round by round."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from soleowner import Batch, CallerError, Reply, Runner, fail, succeed

from ...errors import OutcomeUnknown, SessionError, StoreUnavailable
from ...tables import Tables
from .ask import OPEN, Ask, Plan
from .call import says
from .codec import Unreadable
from .operations import plan_of
from .operations.asking import OK
from .works import Works

__all__ = ["RedisRunner"]


class _Job:
    """A command under way."""

    __slots__ = ("asks", "plan", "reply", "wrote")

    def __init__(self, plan: Plan[Any], reply: Reply) -> None:
        self.plan = plan
        self.reply = reply
        self.asks: list[Ask] = []
        self.wrote = False
        """Whether an earlier step has changed something."""

    @property
    def unknown(self) -> bool:
        """Whether something of it was applied, or may have been."""
        return self.wrote or any(_changed(ask) or ask.maybe_applied for ask in self.asks)

    @property
    def whole(self) -> bool:
        """Whether it is one operation on the server, which can be asked for by its id."""
        return not self.wrote and len(self.asks) == 1


class RedisRunner(Runner[Tables]):
    """Sends a batch as one pipeline a node, and answers each command as soon as it can.

    Errors of the store answer their caller alone; any other is a bug and crashes the owner. When it
    is cancelled, what was sent and not answered is unknown, and the rest had no effect.
    """

    def __init__(self, get_ready: Callable[[], Awaitable[Works]]) -> None:
        self._get_ready = get_ready
        self._works: Works | None = None

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

    async def aclose(self) -> None:
        """Close the connections, and tell who watches."""
        works = self._works
        if works is not None:
            await works.aclose()

    async def run(self, batch: Batch[Tables], /) -> None:
        """Take the steps of all commands together until all are answered."""
        jobs: list[_Job] = []
        for command, reply in batch:
            if not reply.done():
                try:
                    job = _Job(plan_of(self._setting, command), reply)
                except CallerError as error:
                    fail(reply, error)
                    continue
                if self._advance(job):
                    jobs.append(job)
        try:
            while jobs:
                jobs = await self._round(jobs)
        except asyncio.CancelledError:
            for job in jobs:
                if job.unknown and not job.reply.done():
                    known = self._ledger.operation_id(job.asks[0]) if job.whole else ""
                    fail(job.reply, OutcomeUnknown(known))
            raise

    async def _round(self, jobs: list[_Job]) -> list[_Job]:
        """Ask once what all jobs want to know; return those that want to know more."""
        asks = [ask for job in jobs for ask in job.asks if ask.answer is OPEN]
        self._setting.guesses.begin()
        await self._delivery.attempt(asks)
        # Who has an answer gets it now, however long the others have to wait for theirs.
        jobs = self._advanced(jobs)
        still = [ask for ask in asks if ask.answer is OPEN]
        if not still:
            self._delivery.calm()
            return jobs
        await self._delivery.pause(still)
        return self._advanced(jobs)

    def _advanced(self, jobs: list[_Job]) -> list[_Job]:
        """Take the next step of all that are answered; return those that ask for more."""
        return [
            job for job in jobs if any(ask.answer is OPEN for ask in job.asks) or self._advance(job)
        ]

    def _advance(self, job: _Job) -> bool:
        """Take a job's next step; say whether it asks for more."""
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

    def _step(self, job: _Job) -> list[Ask]:
        if not job.asks:
            return next(job.plan)
        answers = [ask.answer for ask in job.asks]
        errors = [answer for answer in answers if isinstance(answer, Exception)]
        if not errors:
            job.wrote = job.wrote or any(map(_changed, job.asks))
            try:
                return job.plan.send(answers)
            except Unreadable as found:
                # One session that somebody else wrote to must not end the store of all others.
                where = f"{self.works.servers.name}: what it holds as {found} cannot be read"
                raise (OutcomeUnknown() if job.wrote else StoreUnavailable(where)) from None
        # Of several buckets some have changed: then not even the others' error means no effect.
        halved = job.unknown or any(isinstance(error, OutcomeUnknown) for error in errors)
        return job.plan.throw(OutcomeUnknown() if halved and not job.whole else errors[0])


def _changed(ask: Ask) -> bool:
    return ask.write and says(ask.answer, OK)
