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
from ..client.call import Answer, Call, Fate, Refused, says
from ..client.refusals import halfway, misplaced, passing, reason_of, verdict
from ..client.servers import Servers
from ..keys import Bucket, Keys
from ..layout import Layout
from .replication import Waits, no_waiting
from .request import OPEN, Ask
from .writer_log import Ledger

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
        ledger: Ledger,
        keys: Keys,
        layout: Layout,
        *,
        patience: float,
        silence: float,
        waits: Waits,
    ) -> None:
        from redis.backoff import ExponentialWithJitterBackoff

        self._servers = servers
        self._ledger = ledger
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
        words = self._waits.trial()
        if words is None:
            return
        for answer in await self._servers.exchange([Call(each.number, words) for each in buckets]):
            if isinstance(answer, Refused):
                raise no_waiting(self._servers.name, answer)
            if isinstance(answer, Fate):
                raise StoreUnavailable(
                    self._servers.trouble or f"{self._servers.name} does not answer"
                )

    async def attempt(self, asks: Sequence[Ask], /) -> None:
        """Send what is open once, and note the answers that came.

        Cancelled, it leaves `maybe_applied` on those of which nobody knows what became of them.
        """
        self._begun = now = self._now()
        self._until = min(ask.deadline for ask in asks) if self._patience else now + self._silence
        self._refused = None
        await self._try(asks)
        fenced = [ask for ask in asks if ask.fenced]
        if fenced:
            # Somebody asked what became of an earlier write, or the ledger was forgotten: no
            # trouble of the server's, so not a matter of patience.
            await self._try(fenced)
        while more := [ask for ask in asks if ask.more]:
            for ask in more:
                ask.more = False
            await self._try(more)
        # What read before a write that was asked earlier: at once, if only its way was longer.
        stale = [ask for ask in asks if ask.stale and not ask.early]
        if stale:
            await self._try(stale)

    async def _try(self, asks: Sequence[Ask]) -> None:
        if await self._fence(asks) and await self._is_laid_out(asks):
            lost = [ask for ask in asks if ask.maybe_applied]
            missed = [ask for ask in asks if not self._settled(ask)]
            await self._wait(lost)
            await self._send(missed)

    async def pause(self, asks: Sequence[Ask], /) -> None:
        """Wait before the next attempt; when patience is over, answer what is open instead."""
        now = self._now()
        # What was long ago is another trouble. Not what an attempt took: that can be longer than
        # patience is, where a server accepts connections and says nothing.
        if not self._failures or self._begun - self._last > self._patience:
            self._failures, self._since = 0, now
        self._failures += 1
        for ask in asks:
            ask.tries += 1
        # In a trouble that is older than patience nobody waits for long: the second try is the
        # last, of which the first may have joined an attempt to connect that was begun long ago.
        tries = 2 if now - self._since >= self._patience else inf
        if not self._patience:
            tries = 1
        # Those that come next to each other are told together: each may cost a connection.
        soon = now + self._patience / 32
        due = [ask for ask in asks if ask.deadline <= soon or ask.tries >= tries]
        if not due:
            seconds = self._backoff.compute(min(self._failures, 16))
            soonest = min(ask.deadline for ask in asks)
            # Half of what is left: there is time for another attempt.
            await asyncio.sleep(min(seconds, (soonest - now) / 2))
        self._last = self._now()
        for ask in due:
            if ask.maybe_applied:
                # If it still arrives, then before the next write and never after it.
                self._ledger.forget(ask.bucket)
                ask.answer = OutcomeUnknown(self._ledger.operation_id(ask))
            else:
                ask.answer = StoreUnavailable(self._reason(), waited=now - ask.since)

    def set_deadline(self, ask: Ask, since: float, waited: float) -> None:
        """Give an ask as long as its caller is patient, who asked when so much was `waited`."""
        ask.since = since
        ask.deadline = since + self._patience + self.waited - waited

    def calm(self) -> None:
        """Note that everything was answered: the next trouble is a new one."""
        self._failures = 0

    def _reason(self) -> str:
        name, refused = self._servers.name, self._refused
        if refused is not None:
            return f"{name} {reason_of(refused)}"
        return self._servers.trouble or f"{name} does not answer"

    async def _fence(self, asks: Sequence[Ask]) -> bool:
        """Take a new epoch where one is needed; say whether that was done, if it was."""
        fences = self._ledger.fences(asks)
        if not fences:
            return True
        taken = True
        answers = await self._exchange([call for _, _, call in fences])
        for (bucket, lost, _), answer in zip(fences, answers, strict=True):
            if not self._ledger.take(bucket, lost, answer):
                taken = False
                if self._passes(answer):
                    continue
                if isinstance(answer, Refused):
                    for ask in asks:
                        if ask.bucket is bucket and ask.write and not ask.maybe_applied:
                            ask.answer = verdict(self._servers.name, answer)
        return taken

    async def _is_laid_out(self, asks: Sequence[Ask]) -> bool:
        """Put the layout back where a server lost all; say whether that is known to be so.

        Somebody may have made the store anew meanwhile. If in another layout, this one would write
        where the others do not look: it is refused.
        """
        if not self._ledger.lost or not any(ask.write for ask in asks):
            return True
        (answer,) = await self._exchange([self._laying_out])
        if isinstance(answer, Fate) or self._passes(answer):
            return False
        self._ledger.lost = isinstance(answer, Refused) or not self._layout.is_told_by(answer)
        for ask in asks if self._ledger.lost else ():
            if ask.write and not ask.maybe_applied:
                ask.answer = (
                    verdict(self._servers.name, answer)
                    if isinstance(answer, Refused)
                    else StoreUnavailable(
                        f"{self._servers.name}: the store was made anew there, in another layout"
                    )
                )
        return True

    def _settled(self, ask: Ask) -> bool:
        """Whether a lost write turned out to have been applied, or cannot be told."""
        if ask.maybe_applied:
            ask.maybe_applied = False
            settled, answer = self._ledger.resolved(ask)
            if settled:
                ask.answer = answer
            return settled
        return ask.answer is not OPEN

    async def _send(self, asks: Sequence[Ask]) -> None:
        if self._now() >= self._until:
            for ask in asks:
                ask.stale = False
            return  # what is sent now is lost
        calls = self._ledger.calls(asks)
        for ask in asks:
            ask.maybe_applied, ask.fenced, ask.stale = ask.write, False, False
        answers = await self._exchange([call for call, _ in calls])
        for (call, group), answer in zip(calls, answers, strict=True):
            if call.script is not None and call.script.many and self._plain(answer):
                for ask, each in zip(group, answer, strict=True):
                    self._note(ask, each)
            else:
                for ask in group:
                    self._note(ask, answer)
        for ask in asks:
            if ask.behind and not ask.write and ask.answer is not OPEN and ask.early:
                ask.answer, ask.stale = OPEN, True
        await self._wait(asks)

    async def _wait(self, asks: Sequence[Ask]) -> None:
        """Have what was applied reach replicas and files, and take back the answers of the rest.

        It counts what its own connection wrote. So it comes after the writes, of which some may
        have been sent twice, and is believed only on the connection that carried the last of them.
        Once a connection: where a replica is away, each takes all of its time, one after another.
        """
        words = self._wait_words
        if words is None:
            return
        generation = self._servers.generation
        written: dict[int, tuple[Bucket, list[Ask]]] = {}
        for ask in asks:
            if ask.write and says(ask.answer, OK):
                one = written.setdefault(generation(ask.bucket.number), (ask.bucket, []))
                one[1].append(ask)
        calls = [Call(bucket.number, words) for bucket, _ in written.values()]
        if not calls:
            return
        begun = self._now()
        answers = await self._servers.exchange(calls, self._until + self._waits.timeout)
        self.waited += self._now() - begun
        for (before, (_, group)), answer in zip(written.items(), answers, strict=True):
            met = self._waits.met(answer)
            for ask in group:
                if not met or generation(ask.bucket.number) != before:
                    ask.answer = OutcomeUnknown(self._ledger.operation_id(ask))

    async def _exchange(self, calls: Sequence[Call]) -> list[Answer]:
        return await self._servers.exchange(calls, self._until)

    def _passes(self, answer: Answer) -> bool:
        """Whether a server refused for the moment only; that is the reason, should it last."""
        if not isinstance(answer, Refused) or not passing(answer):
            return False
        self._refused = answer
        return True

    def _plain(self, answer: Answer) -> bool:
        several = not isinstance(answer, Fate | Refused) and not self._ledger.fenced(answer)
        return several and not says(answer, MORE)

    def _note(self, ask: Ask, answer: Answer) -> None:
        if type(answer) is Fate:
            # What was not sent has no effect; what only reads can be asked again in any case.
            ask.maybe_applied = ask.write and answer is Fate.LOST
            return
        ask.maybe_applied = False
        ask.fenced = self._ledger.fenced(answer)
        if type(answer) is Refused:
            if halfway(answer):
                # Whole it never will be, so nobody is to ask again; but for what only reads.
                if ask.write:
                    ask.answer = OutcomeUnknown()
                elif not misplaced(answer):
                    ask.answer = verdict(self._servers.name, answer)
            elif not self._passes(answer):
                ask.answer = verdict(self._servers.name, answer)
        elif ask.fenced:
            self._ledger.forget(ask.bucket)
        elif says(answer, MORE):
            ask.more = True
        else:
            ask.answer = answer
