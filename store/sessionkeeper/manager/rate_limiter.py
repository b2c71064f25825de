"""Limits how many messages a session may send: a token bucket each, on the steady clock.

Kept as the time at which the bucket is full again (the generic cell rate algorithm, ITU-T I.371):
one number a session, nothing to refill, and a full bucket need not be kept at all. While a message
is being recorded, the tokens taken since are kept, too: if the message is refused, its token must
be given back as if it had never been taken, although others were taken since.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable

from ..values.errors import RateLimited

__all__ = ["RateLimiter", "RateToken"]

_FORGOTTEN_AT_ONCE = 2
"""For each new bucket up to two are dropped, so that old ones cannot accumulate."""


class RateToken:
    """The token that one message took; settled once."""

    __slots__ = ("_limiter", "bucket", "is_kept", "taken_at")

    def __init__(self, limiter: RateLimiter, bucket: _Bucket, taken_at: float) -> None:
        self._limiter = limiter
        self.bucket = bucket
        self.taken_at = taken_at
        self.is_kept: bool | None = None
        """None while it is not known."""

    def settle(self, *, kept: bool) -> None:
        """Keep it if its message is or may be in the log; give it back if that was refused."""
        self.is_kept = kept
        self.bucket.settle(self)
        if not kept:
            self._limiter.forget_unused(self.bucket)


class _Bucket:
    """The tokens of one session."""

    __slots__ = ("_full_at", "_interval", "_settled_full_at", "session_id", "tokens", "used_at")

    def __init__(self, session_id: str, now: float, interval: float) -> None:
        self.session_id = session_id
        self._interval = interval
        self.used_at = self._settled_full_at = now
        self._full_at: float | None = now
        """When it is full again; None until that is computed anew."""
        self.tokens: deque[RateToken] = deque()
        """The tokens taken, from the oldest one that is not settled."""

    def take(self, token: RateToken) -> None:
        self._full_at = self.full_after_one(token.taken_at)
        self.used_at = token.taken_at
        self.tokens.append(token)

    def full_after_one(self, now: float) -> float:
        """The time at which it would be full again if one were taken now."""
        if self._full_at is None:
            self.tokens = deque(token for token in self.tokens if token.is_kept is not False)
            self._full_at = self._settled_full_at
            for token in self.tokens:
                self._full_at = max(self._full_at, token.taken_at) + self._interval
        return max(self._full_at, now) + self._interval

    def settle(self, token: RateToken) -> None:
        if not token.is_kept:
            self._full_at = None  # computed at the next use, once for all that are given back
        while self.tokens and self.tokens[0].is_kept is not None:
            first = self.tokens.popleft()
            if first.is_kept:
                full_at = max(self._settled_full_at, first.taken_at)
                self._settled_full_at = full_at + self._interval

    def is_unused(self, now: float) -> bool:
        return not self.tokens and self._settled_full_at <= now


class RateLimiter:
    """Takes `rate` messages a second from each session, and `burst` at once after a rest."""

    def __init__(self, clock: Callable[[], float], *, rate: float, burst: int | None) -> None:
        self._clock = clock
        self._interval = 1 / rate
        self._burst = max(1, math.ceil(rate)) if burst is None else burst
        # A nanosecond of slack: 10 messages of 0.1 s are one second, whatever floats say.
        self._depth = self._burst * self._interval + 1e-9
        # In order of use: the first was used longest ago, so it is full before all others.
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._refused = 0

    def __len__(self) -> int:
        return len(self._buckets)

    @property
    def refused(self) -> int:
        """Messages refused."""
        return self._refused

    def take(self, session_id: str) -> RateToken:
        """Take one message. Raises `RateLimited`, and then takes nothing."""
        now = self._clock()
        bucket = self._buckets.get(session_id)
        if bucket is None:
            bucket = _Bucket(session_id, now, self._interval)
        wait = bucket.full_after_one(now) - self._depth - now
        if wait > 0:
            self._refused += 1
            raise RateLimited(self._burst, retry_after=wait)
        token = RateToken(self, bucket, now)
        bucket.take(token)
        self._buckets[session_id] = bucket
        self._buckets.move_to_end(session_id)
        self._forget_full(now, _FORGOTTEN_AT_ONCE)
        return token

    def forget(self, session_id: str) -> None:
        """Drop the bucket of a session that takes no more messages."""
        self._buckets.pop(session_id, None)

    def forget_unused(self, bucket: _Bucket) -> None:
        """Drop a bucket from which nothing was taken: its session may not even be there."""
        kept = self._buckets.get(bucket.session_id) is bucket
        if kept and bucket.is_unused(self._clock()):
            del self._buckets[bucket.session_id]

    def forget_full(self, maximum: int) -> int:
        """Drop at most `maximum` full buckets; return how many."""
        return self._forget_full(self._clock(), maximum)

    def _forget_full(self, now: float, maximum: int) -> int:
        for forgotten in range(maximum):
            used_at = next((each.used_at for each in self._buckets.values()), math.inf)
            if used_at + self._depth > now:
                return forgotten
            self._buckets.popitem(last=False)
        return maximum
