"""Exactly once, or honestly unknown: what is sent again, and what becomes of an answer that is lost.

Every write carries an epoch and a number. Its script refuses another epoch than the writer's and
leaves its answer with the writer in the same step. After a lost answer the writer takes a new epoch,
and learns of each open write whether it was applied: if not, it never will be, however late it comes
out of some socket, and can be sent again.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from redis.backoff import ExponentialWithJitterBackoff

from ...errors import OutcomeUnknown, StoreUnavailable
from .ask import Ask
from .call import Call, Fate, Refused
from .keys import Bucket
from .ledger import Ledger
from .servers import Servers
from .verdicts import passing, why

__all__ = ["Delivery"]


class Delivery:
    """The writer of one store, and all that stands between it and the servers.

    Used by one task at a time. `patience` is how many seconds a batch is tried before its callers
    are told that the server is away.
    """

    def __init__(self, servers: Servers, ledger: Ledger, *, patience: float) -> None:
        self._servers = servers
        self._ledger = ledger
        self._patience = patience

    async def deliver(self, asks: Sequence[Ask], /) -> list[Any]:
        """Return the answer of each ask in order, or the error its caller is to be told.

        Cancelled, it leaves `maybe_applied` on those of which nobody knows what became of them.
        """
        answers: list[Any] = [None] * len(asks)
        open_ = list(range(len(asks)))
        waits: _Waits | None = None
        while True:
            open_ = await self._try(asks, answers, open_)
            if not open_:
                return answers
            if waits is None:
                waits = _Waits(self._patience)
            if not await waits.again():
                break
        for i in open_:
            if asks[i].maybe_applied:
                answers[i] = OutcomeUnknown(self._ledger.operation_id(asks[i]))
            else:
                answers[i] = StoreUnavailable(
                    f"{self._servers.name} cannot be reached", waited=waits.waited
                )
        return answers

    async def _try(self, asks: Sequence[Ask], answers: list[Any], open_: list[int]) -> list[int]:
        """Send what is open once; return what still is."""
        if not await self._fence([asks[i] for i in open_]):
            return open_
        still: list[int] = []
        sending: list[int] = []
        for i in open_:
            ask = asks[i]
            if ask.maybe_applied:
                settled, answer = self._ledger.resolved(ask)
                if settled:
                    answers[i] = answer
                    ask.maybe_applied = False
                    continue
                ask.maybe_applied = False  # it was not applied, and never will be
            sending.append(i)
        calls = [self._ledger.call(asks[i]) for i in sending]
        for i in sending:
            asks[i].maybe_applied = asks[i].write
        for i, answer in zip(sending, await self._servers.exchange(calls), strict=True):
            ask = asks[i]
            if answer is Fate.LOST:
                still.append(i)
                continue
            ask.maybe_applied = False
            if answer is Fate.UNSENT:
                still.append(i)
            elif isinstance(answer, Refused):
                if passing(answer):
                    still.append(i)
                else:
                    answers[i] = StoreUnavailable(why(self._servers.name, answer))
            elif self._ledger.fenced(answer):
                self._ledger.forget(ask.bucket)
                still.append(i)
            else:
                answers[i] = answer
        return still

    async def _fence(self, asks: Sequence[Ask]) -> bool:
        """Take a new epoch where one is needed; say whether all that was needed was done."""
        calls = self._ledger.fences(asks)
        if not calls:
            return True
        answers = await self._servers.exchange([call for _, call in calls])
        return all(
            [
                self._ledger.take(bucket, answer)
                for (bucket, _), answer in zip(calls, answers, strict=True)
            ]
        )
