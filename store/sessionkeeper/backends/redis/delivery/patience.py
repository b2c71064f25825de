"""How long a caller waits for servers that are away, and when the next attempt is made."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import inf

from .request import Request

__all__ = ["Patience"]


class Patience:
    """Deadlines, outages, and the pauses between attempts.

    `seconds` is what a caller waits from its request to its answer. With 0 there is one attempt, in
    which servers may be silent for `silence` seconds.
    """

    def __init__(self, seconds: float, silence: float) -> None:
        from redis.backoff import ExponentialWithJitterBackoff

        self._seconds = seconds
        self._silence = silence
        # With jitter: many processes that lost a server must not all come back at once.
        self._backoff = ExponentialWithJitterBackoff(base=0.01, cap=0.5)
        self._failures = 0
        self._outage_began = self._attempt_began = self._attempt_ended = 0.0
        self.now = asyncio.get_running_loop().time
        self.waited = 0.0
        """Seconds spent waiting for replicas and files in total. Patience does not include them."""

    def deadline(self, since: float, waited: float) -> float:
        """Return when the patience of a caller ends that asked at `since`.

        The replication wait was `waited` seconds in total at that time.
        """
        return since + self._seconds + self.waited - waited

    def is_late(self, since: float, waited: float) -> bool:
        """Whether that is over."""
        return self._seconds > 0 and self.deadline(since, waited) <= self.now()

    def begin_attempt(self, requests: Sequence[Request]) -> float:
        """Begin to send requests. Returns the loop time at which what is not answered is lost."""
        self._attempt_began = now = self.now()
        if not self._seconds:
            return now + self._silence
        return min(request.deadline for request in requests)

    async def pause(self, requests: Sequence[Request]) -> Sequence[Request]:
        """Wait before the next attempt, or return those whose patience is over without a wait."""
        now = self.now()
        # A failure long ago belongs to another outage. The length of an attempt does not count: a
        # server that accepts connections and says nothing takes longer than patience.
        if not self._failures or self._attempt_began - self._attempt_ended > self._seconds:
            self._failures, self._outage_began = 0, now
        self._failures += 1
        for request in requests:
            request.tries += 1
        # In an outage older than patience the second attempt is the last. The first one alone is
        # not enough: it may have joined an attempt to connect that began long ago.
        tries = 2 if now - self._outage_began >= self._seconds else inf
        if not self._seconds:
            tries = 1
        # Requests that end at nearly the same time end together: each may cost a connection.
        soon = now + self._seconds / 32
        due = [
            request for request in requests if request.deadline <= soon or request.tries >= tries
        ]
        if not due:
            seconds = self._backoff.compute(min(self._failures, 16))
            soonest = min(request.deadline for request in requests)
            # Half of what is left: then there is time for another attempt.
            await asyncio.sleep(min(seconds, (soonest - now) / 2))
        self._attempt_ended = self.now()
        return due

    def end_outage(self) -> None:
        """Note that everything was answered: the next failure begins a new outage."""
        self._failures = 0
