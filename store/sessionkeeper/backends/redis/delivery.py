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
from .call import Answer, Call, Fate, Refused, Word, says
from .keys import Bucket
from .ledger import Ledger
from .servers import Servers, halfway, passing
from .verdicts import verdict

__all__ = ["Delivery", "Waits"]

OK, MORE = b"OK", b"MORE"


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

    def met(self, answer: object) -> bool:
        """Whether that is what was waited for."""
        match answer:
            case [int() as primary, int() as replicas]:  # of WAITAOF
                return primary >= 1 and replicas >= self.replicas
            case int():
                return answer >= self.replicas
            case _:
                return False


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
        self._since = self._last = 0.0

    async def attempt(self, asks: Sequence[Ask], /) -> None:
        """Send what is open once, and note the answers that came.

        Cancelled, it leaves `maybe_applied` on those of which nobody knows what became of them.
        """
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

    async def _try(self, asks: Sequence[Ask]) -> None:
        if await self._fence(asks):
            lost = [ask for ask in asks if ask.maybe_applied]
            missed = [ask for ask in asks if not self._settled(ask)]
            await self._wait(lost)
            await self._send(missed)

    async def pause(self, asks: Sequence[Ask], /) -> None:
        """Wait before the next attempt; when patience is over, answer what is open instead."""
        now = time.monotonic()
        if not self._failures or now - self._last > self._patience:
            self._failures, self._since = 0, now  # what was long ago is another trouble
        self._failures += 1
        self._last = now
        waited = now - self._since
        if waited < self._patience:
            await asyncio.sleep(self._backoff.compute(min(self._failures, 16)))
            return
        for ask in asks:
            if ask.maybe_applied:
                # If it still arrives, then before the next write and never after it.
                self._ledger.forget(ask.bucket)
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
                        if ask.bucket is bucket and ask.write and not ask.maybe_applied:
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
            ask.maybe_applied, ask.fenced = ask.write, False
        answers = await self._servers.exchange([call for call, _ in calls])
        for (call, group), answer in zip(calls, answers, strict=True):
            if call.script is not None and call.script.many and self._plain(answer):
                for ask, each in zip(group, answer, strict=True):
                    self._note(ask, each)
            else:
                for ask in group:
                    self._note(ask, answer)

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
        answers = await self._servers.exchange(calls) if calls else []
        for (before, (_, group)), answer in zip(written.items(), answers, strict=True):
            met = self._waits.met(answer)
            for ask in group:
                if not met or generation(ask.bucket.number) != before:
                    ask.answer = OutcomeUnknown(self._ledger.operation_id(ask))

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
                ask.answer = OutcomeUnknown() if ask.write else OPEN
            elif not passing(answer):
                ask.answer = verdict(self._servers.name, answer)
        elif ask.fenced:
            self._ledger.forget(ask.bucket)
        elif says(answer, MORE):
            ask.more = True
        else:
            ask.answer = answer
