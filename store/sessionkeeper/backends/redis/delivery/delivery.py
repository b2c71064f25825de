"""Exactly once, or honestly unknown: what is sent again, and what becomes of a lost answer.

Every write carries an epoch and a number. Its script refuses another epoch than the writer's and
leaves its answer with the writer in the same step. After a lost answer the writer takes a new
epoch, and learns of each open write whether it was applied: if not, it never will be, however late
it comes out of some socket, and can be sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import inf

from ....values.errors import OutcomeUnknown, StoreUnavailable
from ..client.call import Answer, Call, DeliveryStatus, Refused, is_status
from ..client.refusals import error_for, is_partial, is_transient, misplaced, reason_of
from ..client.servers import Servers
from ..keys import Bucket, Keys
from ..layout import Layout
from .replication import ReplicationRequirement, no_waiting
from .request import OPEN, Request
from .writer_log import WriterLog

__all__ = ["Delivery"]

OK, MORE = b"OK", b"MORE"


class Delivery:
    """All that stands between a store and its servers; used by one task at a time.

    `patience` is how many seconds a caller waits for servers that are away, from asking to being
    told so; 0 for one attempt, in which they are silent for `silence` seconds at most.
    """

    def __init__(
        self,
        servers: Servers,
        writer_log: WriterLog,
        keys: Keys,
        layout: Layout,
        *,
        patience: float,
        silence: float,
        waits: ReplicationRequirement,
    ) -> None:
        from redis.backoff import ExponentialWithJitterBackoff

        self._servers = servers
        self._writer_log = writer_log
        self._layout = layout
        self._laying_out = layout.call(keys)
        self._patience = patience
        self._silence = silence
        self._waits = waits
        self._wait_words = waits.words()
        # With jitter: many processes that lost one server do not come back as one.
        self._backoff = ExponentialWithJitterBackoff(base=0.01, cap=0.5)
        self._failures = 0
        self._refused: Refused | None = None
        """What a server said last in place of an answer, in this attempt."""
        self._since = self._begun = self._last = self._until = 0.0
        self._now = asyncio.get_running_loop().time
        self.waited = 0.0
        """Seconds spent in waiting for replicas and files, in all. They are nobody's patience."""

    async def try_waiting(self, buckets: Sequence[Bucket], /) -> None:
        """See that the servers wait as they will be asked to. Raises `StoreUnavailable`.

        Otherwise every write would be applied and its outcome unknown.
        """
        words = self._waits.probe()
        if words is None:
            return
        for answer in await self._servers.exchange([Call(each.number, words) for each in buckets]):
            if isinstance(answer, Refused):
                raise no_waiting(self._servers.name, answer)
            if isinstance(answer, DeliveryStatus):
                raise StoreUnavailable(
                    self._servers.last_error or f"{self._servers.name} does not answer"
                )

    async def attempt(self, requests: Sequence[Request], /) -> None:
        """Send what is open once, and note the answers that came.

        Cancelled, it leaves `maybe_applied` on those of which nobody knows what became of them.
        """
        self._begun = now = self._now()
        self._until = (
            min(request.deadline for request in requests) if self._patience else now + self._silence
        )
        self._refused = None
        await self._try(requests)
        fenced = [request for request in requests if request.fenced]
        if fenced:
            # Somebody asked what became of an earlier write, or the ledger was forgotten: no
            # trouble of the server's, so not a matter of patience.
            await self._try(fenced)
        while more := [request for request in requests if request.more]:
            for request in more:
                request.more = False
            await self._try(more)
        # What read before a write that was asked earlier: at once, if only its way was longer.
        stale = [request for request in requests if request.stale and not request.early]
        if stale:
            await self._try(stale)

    async def _try(self, requests: Sequence[Request]) -> None:
        if await self._fence(requests) and await self._is_laid_out(requests):
            lost = [request for request in requests if request.maybe_applied]
            missed = [request for request in requests if not self._settled(request)]
            await self._wait(lost)
            await self._send(missed)

    async def pause(self, requests: Sequence[Request], /) -> None:
        """Wait before the next attempt; when patience is over, answer what is open instead."""
        now = self._now()
        # What was long ago is another trouble. Not what an attempt took: that can be longer than
        # patience is, where a server accepts connections and says nothing.
        if not self._failures or self._begun - self._last > self._patience:
            self._failures, self._since = 0, now
        self._failures += 1
        for request in requests:
            request.tries += 1
        # In a trouble that is older than patience nobody waits for long: the second try is the
        # last, of which the first may have joined an attempt to connect that was begun long ago.
        tries = 2 if now - self._since >= self._patience else inf
        if not self._patience:
            tries = 1
        # Those that come next to each other are told together: each may cost a connection.
        soon = now + self._patience / 32
        due = [
            request for request in requests if request.deadline <= soon or request.tries >= tries
        ]
        if not due:
            seconds = self._backoff.compute(min(self._failures, 16))
            soonest = min(request.deadline for request in requests)
            # Half of what is left: there is time for another attempt.
            await asyncio.sleep(min(seconds, (soonest - now) / 2))
        self._last = self._now()
        for request in due:
            if request.maybe_applied:
                # If it still arrives, then before the next write and never after it.
                self._writer_log.forget(request.bucket)
                request.answer = OutcomeUnknown(self._writer_log.operation_id(request))
            else:
                request.answer = StoreUnavailable(self._reason(), waited=now - request.since)

    def set_deadline(self, request: Request, since: float, waited: float) -> None:
        """Give an ask as long as its caller is patient, who asked when so much was `waited`."""
        request.since = since
        request.deadline = since + self._patience + self.waited - waited

    def calm(self) -> None:
        """Note that everything was answered: the next trouble is a new one."""
        self._failures = 0

    def _reason(self) -> str:
        name, refused = self._servers.name, self._refused
        if refused is not None:
            return f"{name} {reason_of(refused)}"
        return self._servers.last_error or f"{name} does not answer"

    async def _fence(self, requests: Sequence[Request]) -> bool:
        """Take a new epoch where one is needed; say whether that was done, if it was."""
        fences = self._writer_log.fences(requests)
        if not fences:
            return True
        taken = True
        answers = await self._exchange([call for _, _, call in fences])
        for (bucket, lost, _), answer in zip(fences, answers, strict=True):
            if not self._writer_log.take(bucket, lost, answer):
                taken = False
                if self._passes(answer):
                    continue
                if isinstance(answer, Refused):
                    for request in requests:
                        if request.bucket is bucket and request.write and not request.maybe_applied:
                            request.answer = error_for(self._servers.name, answer)
        return taken

    async def _is_laid_out(self, requests: Sequence[Request]) -> bool:
        """Put the layout back where a server lost all; say whether that is known to be so.

        Somebody may have made the store anew meanwhile. If in another layout, this one would write
        where the others do not look: it is refused.
        """
        if not self._writer_log.lost or not any(request.write for request in requests):
            return True
        (answer,) = await self._exchange([self._laying_out])
        if isinstance(answer, DeliveryStatus) or self._passes(answer):
            return False
        self._writer_log.lost = isinstance(answer, Refused) or not self._layout.is_told_by(answer)
        for request in requests if self._writer_log.lost else ():
            if request.write and not request.maybe_applied:
                request.answer = (
                    error_for(self._servers.name, answer)
                    if isinstance(answer, Refused)
                    else StoreUnavailable(
                        f"{self._servers.name}: the store was made anew there, in another layout"
                    )
                )
        return True

    def _settled(self, request: Request) -> bool:
        """Whether a lost write turned out to have been applied, or cannot be told."""
        if request.maybe_applied:
            request.maybe_applied = False
            settled, answer = self._writer_log.resolved(request)
            if settled:
                request.answer = answer
            return settled
        return request.answer is not OPEN

    async def _send(self, requests: Sequence[Request]) -> None:
        if self._now() >= self._until:
            for request in requests:
                request.stale = False
            return  # what is sent now is lost
        calls = self._writer_log.calls(requests)
        for request in requests:
            request.maybe_applied, request.fenced, request.stale = request.write, False, False
        answers = await self._exchange([call for call, _ in calls])
        for (call, group), answer in zip(calls, answers, strict=True):
            if call.script is not None and call.script.many and self._plain(answer):
                for request, each in zip(group, answer, strict=True):
                    self._note(request, each)
            else:
                for request in group:
                    self._note(request, answer)
        for request in requests:
            if (
                request.behind
                and not request.write
                and request.answer is not OPEN
                and request.early
            ):
                request.answer, request.stale = OPEN, True
        await self._wait(requests)

    async def _wait(self, requests: Sequence[Request]) -> None:
        """Have what was applied reach replicas and files, and take back the answers of the rest.

        It counts what its own connection wrote. So it comes after the writes, of which some may
        have been sent twice, and is believed only on the connection that carried the last of them.
        Once a connection: where a replica is away, each takes all of its time, one after another.
        """
        words = self._wait_words
        if words is None:
            return
        generation = self._servers.generation
        written: dict[int, tuple[Bucket, list[Request]]] = {}
        for request in requests:
            if request.write and is_status(request.answer, OK):
                one = written.setdefault(generation(request.bucket.number), (request.bucket, []))
                one[1].append(request)
        calls = [Call(bucket.number, words) for bucket, _ in written.values()]
        if not calls:
            return
        begun = self._now()
        answers = await self._servers.exchange(calls, self._until + self._waits.timeout)
        self.waited += self._now() - begun
        for (before, (_, group)), answer in zip(written.items(), answers, strict=True):
            is_satisfied_by = self._waits.is_satisfied_by(answer)
            for request in group:
                if not is_satisfied_by or generation(request.bucket.number) != before:
                    request.answer = OutcomeUnknown(self._writer_log.operation_id(request))

    async def _exchange(self, calls: Sequence[Call]) -> list[Answer]:
        return await self._servers.exchange(calls, self._until)

    def _passes(self, answer: Answer) -> bool:
        """Whether a server refused for the moment only; that is the reason, should it last."""
        if not isinstance(answer, Refused) or not is_transient(answer):
            return False
        self._refused = answer
        return True

    def _plain(self, answer: Answer) -> bool:
        several = not isinstance(answer, DeliveryStatus | Refused) and not self._writer_log.fenced(
            answer
        )
        return several and not is_status(answer, MORE)

    def _note(self, request: Request, answer: Answer) -> None:
        if type(answer) is DeliveryStatus:
            # What was not sent has no effect; what only reads can be asked again in any case.
            request.maybe_applied = request.write and answer is DeliveryStatus.NO_REPLY
            return
        request.maybe_applied = False
        request.fenced = self._writer_log.fenced(answer)
        if type(answer) is Refused:
            if is_partial(answer):
                # Whole it never will be, so nobody is to ask again; but for what only reads.
                if request.write:
                    request.answer = OutcomeUnknown()
                elif not misplaced(answer):
                    request.answer = error_for(self._servers.name, answer)
            elif not self._passes(answer):
                request.answer = error_for(self._servers.name, answer)
        elif request.fenced:
            self._writer_log.forget(request.bucket)
        elif is_status(answer, MORE):
            request.more = True
        else:
            request.answer = answer
