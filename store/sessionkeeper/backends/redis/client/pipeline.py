"""Calls that are sent together, and the outcome of each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import inf
from typing import Protocol

from .call import Answer, Call, DeliveryStatus, Refused
from .refusals import wants_script

__all__ = ["Carrier", "Pipeline"]


class Carrier(Protocol):
    """The connection that sends a pipeline."""

    loaded: set[str]
    """Digests of the scripts that were loaded on this connection."""

    def close(self, why: str = ...) -> None:
        """End it."""
        ...


class Pipeline:
    """Calls for one node. When `waiter` is done, `result` has an answer for each."""

    __slots__ = ("answers", "calls", "carrier", "loads", "refusals", "sent", "until", "waiter")

    def __init__(self, calls: Sequence[Call], until: float = inf) -> None:
        self.calls = calls
        self.until = until
        """The loop time at which its node gives it up."""
        self.loads = 0
        """How many of the first calls load scripts that the others need."""
        self.answers: list[Answer] = []
        self.refusals: list[Refused] = []
        """All errors in the answers, also those inside an answer."""
        self.sent = 0
        """How many of the calls were handed to a transport, at least in part."""
        self.waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.carrier: Carrier | None = None

    def attach(self, carrier: Carrier) -> None:
        """Add the scripts that were not loaded on this connection yet.

        A server forgets scripts when it ends, and so does the connection. In the same pipeline
        they cost no round trip. Calls of one session also keep their order, which they would lose
        if some were refused without their script and sent again.
        """
        self.carrier = carrier
        needed = {
            call.script.digest: call.script.text
            for call in self.calls
            if call.script is not None and call.script.digest not in carrier.loaded
        }
        if needed:
            carrier.loaded.update(needed)
            loads = [Call(-1, ("SCRIPT", "LOAD", text)) for text in needed.values()]
            self.loads = len(loads)
            self.calls = [*loads, *self.calls]

    def settle(self) -> None:
        """Give each call without an answer its delivery status, and wake the waiter."""
        lost = max(self.sent - len(self.answers), 0)
        self.answers += [DeliveryStatus.NO_REPLY] * lost
        self.answers += [DeliveryStatus.NOT_SENT] * (len(self.calls) - len(self.answers))
        if not self.waiter.done():
            self.waiter.set_result(None)

    def fail(self, error: Exception) -> None:
        """Raise this error in the waiter."""
        if not self.waiter.done():
            self.waiter.set_exception(error)

    def abandon(self) -> None:
        """Stop waiting, and close the connection: its next answers belong to these calls."""
        self.waiter.cancel()
        if self.carrier is not None and len(self.answers) < len(self.calls):
            self.carrier.close("an exchange was cancelled")

    def expire(self) -> None:
        """Stop waiting: what was not sent never will be, and what was sent is lost."""
        if self.waiter.done():
            return
        if self.carrier is None:
            self.settle()
        else:
            # A server that is too late may have lost its place, or send byte by byte for ever.
            self.carrier.close("it did not answer in time")

    async def wait(self) -> None:
        """Wait until it is settled. A cancellation abandons the pipeline."""
        try:
            await self.waiter
        except asyncio.CancelledError:
            self.abandon()
            raise

    async def result(self) -> list[Answer]:
        """Wait for the answers, as `wait` does."""
        await self.wait()
        return self.own_answers()

    def own_answers(self) -> list[Answer]:
        """Return the answers to the calls, without those to loaded scripts."""
        answers = self.answers[self.loads :]
        if self.carrier is not None and any(map(wants_script, answers)):
            # After SCRIPT FLUSH all scripts are gone, not only this one.
            self.carrier.loaded.clear()
        loads = self.answers[: self.loads]
        refusal = next((answer for answer in loads if type(answer) is Refused), None)
        if refusal is None:
            return answers
        # "The user may not load scripts" says more than "there is no such script".
        return [refusal if wants_script(answer) else answer for answer in answers]
