"""Calls on their way together, and what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from .call import Answer, Call, DeliveryStatus, Refused

__all__ = ["Pipeline", "Carrier"]


class Carrier(Protocol):
    """The connection a batch went out on."""

    loaded: set[str]
    """Digests of the scripts this connection gave the server."""

    def close(self, why: str = ...) -> None:
        """End it."""
        ...


class Pipeline:
    """Calls for one node. When `waiter` is done, `result` has an answer for each."""

    __slots__ = ("answers", "calls", "carrier", "loads", "refusals", "sent", "waiter")

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = calls
        self.loads = 0
        """How many of the first calls give the server scripts the others need."""
        self.answers: list[Answer] = []
        self.refusals: list[Refused] = []
        """Every error in the answers, also those inside an answer."""
        self.sent = 0
        """How many of the calls were handed to a transport, at least in part."""
        self.waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.carrier: Carrier | None = None

    def leave(self, carrier: Carrier) -> None:
        """Take along the scripts the server has not been given on this connection.

        A server forgets them when it ends, and so does the connection. In the same batch they cost
        no round trip, and calls of one session keep their order, which they would lose if some
        were refused for want of a script and sent again.
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
        """Say of the calls without an answer what became of them, and wake who waits."""
        lost = max(self.sent - len(self.answers), 0)
        self.answers += [DeliveryStatus.NO_REPLY] * lost
        self.answers += [DeliveryStatus.NOT_SENT] * (len(self.calls) - len(self.answers))
        if not self.waiter.done():
            self.waiter.set_result(None)

    def fail(self, error: Exception) -> None:
        """Raise this where the answers are waited for."""
        if not self.waiter.done():
            self.waiter.set_exception(error)

    def abandon(self) -> None:
        """Nobody waits any more: what is not answered yet must not be taken for another's."""
        self.waiter.cancel()
        if self.carrier is not None and len(self.answers) < len(self.calls):
            self.carrier.close("an exchange was cancelled")

    def expire(self) -> None:
        """Wait no longer: what was not sent never is, and what was sent is lost."""
        if self.waiter.done():
            return
        if self.carrier is None:
            self.settle()
        else:
            # A server that has not kept the time may have lost its place, or drip for ever.
            self.carrier.close("it did not answer in time")

    async def wait(self, until: float | None = None) -> None:
        """Wait until it is settled, up to a moment of the loop at which it expires."""
        if until is None or self.waiter.done():
            await self.waiter
            return
        timer = self.waiter.get_loop().call_at(until, self.expire)
        try:
            await self.waiter
        finally:
            timer.cancel()

    async def result(self, until: float | None = None) -> list[Answer]:
        """Wait for the answers, up to a moment of the loop. A cancellation abandons the batch."""
        try:
            await self.wait(until)
        except asyncio.CancelledError:
            self.abandon()
            raise
        return self.taken()

    def taken(self) -> list[Answer]:
        """The answers to what was handed in."""
        answers = self.answers[self.loads :]
        if self.carrier is not None and any(map(_wants_script, answers)):
            # SCRIPT FLUSH: all are gone, not only this one.
            self.carrier.loaded.clear()
        loads = self.answers[: self.loads]
        refusal = next((answer for answer in loads if type(answer) is Refused), None)
        if refusal is None:
            return answers
        # That the user may not load scripts says more than that there is none.
        return [refusal if _wants_script(answer) else answer for answer in answers]


def _wants_script(answer: Answer) -> bool:
    return type(answer) is Refused and answer.code == "NOSCRIPT"
