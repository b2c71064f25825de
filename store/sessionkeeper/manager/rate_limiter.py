"""How many messages a session may send: a token bucket each, on the steady clock.

Kept as the time at which the bucket is full again (the generic cell rate algorithm, ITU-T I.371):
one number a session, nothing to refill, and a full bucket need not be kept at all.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

from ..values.errors import RateLimited

__all__ = ["RateLimiter"]

_FORGOTTEN_AT_ONCE = 2
"""For each one that comes two may go, so the old ones cannot pile up."""


class RateLimiter:
    """Takes `rate` messages a second from each session, and `burst` at once after a rest."""

    def __init__(self, clock: Callable[[], float], *, rate: float, burst: int | None) -> None:
        self._clock = clock
        self._interval = 1 / rate
        self._burst = max(1, math.ceil(rate)) if burst is None else burst
        # A nanosecond of slack: 10 messages of 0.1 s are one second, whatever floats say.
        self._depth = self._burst * self._interval + 1e-9
        # In order of use: the first was used longest ago, so it is full before all others.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._refused = 0

    def __len__(self) -> int:
        return len(self._buckets)

    @property
    def refused(self) -> int:
        """Messages refused."""
        return self._refused

    def take(self, session_id: str) -> None:
        """Take one message. Raises `RateLimited`, and then takes nothing."""
        now = self._clock()
        full_at = max(self._buckets.get(session_id, (now, now))[1], now) + self._interval
        wait = full_at - self._depth - now
        if wait > 0:
            self._refused += 1
            raise RateLimited(self._burst, retry_after=wait)
        self._buckets[session_id] = (now, full_at)
        self._buckets.move_to_end(session_id)
        self._forget_full(now, _FORGOTTEN_AT_ONCE)

    def give_back(self, session_id: str) -> None:
        """Undo one `take`: its message was refused for another reason."""
        used_at, full_at = self._buckets.get(session_id, (0.0, 0.0))
        if session_id in self._buckets:
            self._buckets[session_id] = (used_at, full_at - self._interval)

    def forget(self, session_id: str) -> None:
        """Drop the bucket of a session that takes no more messages."""
        self._buckets.pop(session_id, None)

    def forget_full(self, maximum: int) -> int:
        """Drop at most so many full buckets; return how many."""
        return self._forget_full(self._clock(), maximum)

    def _forget_full(self, now: float, maximum: int) -> int:
        for forgotten in range(maximum):
            used_at = next(iter(self._buckets.values()), (math.inf, 0.0))[0]
            if used_at + self._depth > now:
                return forgotten
            self._buckets.popitem(last=False)
        return maximum
