"""Exactly once, or honestly unknown: what is sent again, and what becomes of a lost answer.

Every write carries an epoch and a number. Its script refuses another epoch than the writer's and
leaves its answer with the writer in the same step. After a lost answer the writer takes a new
epoch, and learns of each open write whether it was applied: if not, it never will be, however late
it comes out of some socket, and can be sent again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import OutcomeUnknown, StoreUnavailable
from .ask import OPEN, Ask
from .call import Answer, Call, Fate, Refused, Word
from .keys import Bucket
from .ledger import Ledger
from .servers import Servers, passing
from .verdicts import verdict

__all__ = ["Delivery", "Waits"]

OK = b"OK"


@dataclass(frozen=True, slots=True)
class Waits:
    """What a write waits for beyond the primary's own answer."""

    replicas: int = 0
    """How many replicas must have it."""
    aof: bool = False
    """Whether it must be synced to the append-only file there, and on the primary."""
    timeout: float = 1.0
    """Seconds; a write that was waited for in vain is answered with `OutcomeUnknown`."""

    def words(self) -> tuple[Word, ...] | None:
        """Return the command that waits; None where nothing is waited for."""
        milliseconds = max(1, round(self.timeout * 1000))
        if self.aof:
            return ("WAITAOF", 1, self.replicas, milliseconds)
        return ("WAIT", self.replicas, milliseconds) if self.replicas else None

    @property
    def promise(self) -> str:
        """What has happened to a write when it is acknowledged, in words."""
        said = ["applied in the primary's memory"]
        if self.aof:
            said.append("synced to its append-only file")
        if self.replicas:
            how = "synced to that of" if self.aof else "applied by"
            number = "one replica" if self.replicas == 1 else f"{self.replicas} replicas"
            said.append(f"{how} {number}")
        return ", ".join(said)

    def met(self, answer: Answer) -> bool:
        """Whether that is what was waited for."""
        if self.aof:
            return type(answer) is list and answer[0] >= 1 and answer[1] >= self.replicas
        return type(answer) is int and answer >= self.replicas


class Delivery:
    """All that stands between a store and its servers; used by one task at a time.

    `patience` is how many seconds the servers may be away before callers are told so.
    """

    def __init__(self, servers: Servers, ledger: Ledger, *, patience: float, waits: Waits) -> None:
        from redis.backoff import ExponentialWithJitterBackoff

        self._servers = servers
        self._ledger = ledger
        self._patience = patience
        self._waits = waits
        self._wait_words = waits.words()
        # With jitter: many processes that lost one server do not come back as one.
        self._backoff = ExponentialWithJitterBackoff(base=0.01, cap=0.5)
        self._failures = 0
        self._since = 0.0

    async def attempt(self, asks: Sequence[Ask], /) -> None:
        """Send what is open once, and note the answers that came.

        Cancelled, it leaves `maybe_applied` on those of which nobody knows what became of them.
        """
        if await self._fence(asks):
            await self._send([ask for ask in asks if not self._settled(ask)])

    async def pause(self, asks: Sequence[Ask], /) -> None:
        """Wait before the next attempt; when patience is over, answer what is open instead."""
        if not self._failures:
            self._since = time.monotonic()
        self._failures += 1
        waited = time.monotonic() - self._since
        if waited < self._patience:
            await asyncio.sleep(self._backoff.compute(min(self._failures, 16)))
            return
        for ask in asks:
            if ask.maybe_applied:
                ask.answer = OutcomeUnknown(self._ledger.operation_id(ask))
            else:
                reason = self._servers.trouble or f"{self._servers.name} does not answer"
                ask.answer = StoreUnavailable(reason, waited=waited)

    def calm(self) -> None:
        """Note that everything was answered: the next trouble is a new one."""
        self._failures = 0

    async def _fence(self, asks: Sequence[Ask]) -> bool:
        """Take a new epoch where one is needed; say whether that was done, if it was."""
        fences = self._ledger.fences(asks)
        if not fences:
            return True
        taken = True
        answers = await self._servers.exchange([call for _, _, call in fences])
        for (bucket, lost, _), answer in zip(fences, answers, strict=True):
            if not self._ledger.take(bucket, lost, answer):
                taken = False
                if isinstance(answer, Refused) and not passing(answer):
                    for ask in asks:
                        if ask.bucket is bucket and not ask.maybe_applied:
                            ask.answer = verdict(self._servers.name, answer)
        return taken

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
        calls = self._ledger.calls(asks)
        for ask in asks:
            ask.maybe_applied = ask.write
        waited = self._waiting(asks)
        answers = await self._servers.exchange([*(call for call, _ in calls), *waited.values()])
        for (call, group), answer in zip(calls, answers, strict=False):
            if call.script is not None and call.script.many and self._plain(answer):
                for ask, each in zip(group, answer, strict=True):
                    self._note(ask, each)
            else:
                for ask in group:
                    self._note(ask, answer)

        for bucket, answer in zip(waited, answers[len(calls) :], strict=True):
            if not self._waits.met(answer):
                self._doubt([ask for ask in asks if ask.bucket is bucket and ask.write])

    def _waiting(self, asks: Sequence[Ask]) -> dict[Bucket, Call]:
        """Make the call that follows the writes of each bucket, on the same connection."""
        words = self._wait_words
        if words is None:
            return {}
        return {ask.bucket: Call(ask.bucket.number, words) for ask in asks if ask.write}

    def _doubt(self, asks: Sequence[Ask]) -> None:
        """Take back the answers of writes that were applied where too few have them."""
        for ask in asks:
            if type(ask.answer) is list and ask.answer[0] == OK:
                ask.answer = OutcomeUnknown(self._ledger.operation_id(ask))

    def _plain(self, answer: Answer) -> bool:
        return not isinstance(answer, Fate | Refused) and not self._ledger.fenced(answer)

    def _note(self, ask: Ask, answer: Answer) -> None:
        if type(answer) is Fate:
            # What was not sent has no effect; what only reads can be asked again in any case.
            ask.maybe_applied = ask.write and answer is Fate.LOST
            return
        ask.maybe_applied = False
        if type(answer) is Refused:
            if not passing(answer):
                ask.answer = verdict(self._servers.name, answer)
        elif self._ledger.fenced(answer):
            self._ledger.forget(ask.bucket)
        else:
            ask.answer = answer
