"""A subject filled to a given size, with calls spread over all of it."""

from __future__ import annotations

import asyncio
from bisect import bisect
from collections.abc import Awaitable, Callable, Iterable
from itertools import accumulate, count, islice
from random import Random
from typing import Self

from .load import make_message
from .loop_monitor import rss_bytes
from .store_subject import StoreSubject
from .subject import Subject, Work

__all__ = ["SMALLEST", "FilledSubject", "name_session"]

SMALLEST = 1_000
_AT_ONCE = 256
_BATCH = 500
_NEWEST = 20
_PAYLOAD = 100
_LONG = "bench-long"
_STRIDE = 7_919
"""A prime that divides no size."""


class FilledSubject:
    """A subject with numbered sessions, one message in each, and one long log.

    A context manager. With `small` it starts with 1,000 sessions and 1,000 messages in the log,
    otherwise empty. With `cleanup` it deletes what it made at the end.
    """

    payload_bytes = _PAYLOAD

    def __init__(
        self, subject: Subject, *, small: bool = True, cleanup: bool = False, skew: float = 0.0
    ) -> None:
        self.subject = subject
        self.offers = frozenset(subject.offers)
        self.sweeps = isinstance(subject, StoreSubject)
        self._small, self._cleanup, self._skew = small, cleanup, skew
        self._heat: list[float] = []
        self._random = Random(1)  # noqa: S311 - which sessions are asked for, no secret
        self._message = make_message(_PAYLOAD)
        self._sessions = self._frames = 0
        self._numbers = count()

    def __repr__(self) -> str:
        return f"<Filled {self._sessions:,} sessions, {self._frames:,} frames in one>"

    async def __aenter__(self) -> Self:
        await self.subject.open()
        await self.subject.create(_LONG)
        if self._small:
            await self.fill(SMALLEST)
            if Work.APPEND in self.offers:
                await self.lengthen(SMALLEST)
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            if self._cleanup:
                await self._delete_all()
        finally:
            await self.subject.aclose()
            if self.subject.is_isolated:
                await self.subject.clear()

    async def create(self, size: int, stopped: Callable[[], bool] = lambda: False) -> None:
        """Create empty sessions up to this number."""
        await self._made(self.subject.create, size, stopped)

    async def fill(self, size: int, stopped: Callable[[], bool] = lambda: False) -> None:
        """Create sessions with one message up to this number."""

        async def make(key: str) -> None:
            await self.subject.create(key)
            if Work.APPEND in self.offers:
                await self.subject.append(key, self._message)

        await self._made(make, size, stopped)

    async def lengthen(self, size: int, stopped: Callable[[], bool] = lambda: False) -> None:
        """Extend the long log to this length."""
        while self._frames < size and not stopped():
            some = min(size - self._frames, _BATCH)
            await self.subject.append_many(_LONG, [self._message] * some)
            self._frames += some
            await asyncio.sleep(0)

    async def memory_used(self) -> int:
        """Return the bytes in memory of the server, or else of this process."""
        there = await self.subject.memory_used()
        return rss_bytes() if there is None else there

    async def read_all(self) -> None:
        """Get each session once: the first get after a change may cost more, and on a large
        subject most gets would be first ones."""
        if Work.GET in self.offers:
            await self._each(self.subject.get, map(name_session, range(self._sessions)))

    async def settle(self, size: int) -> None:
        """Make the long log anew if measuring has made it half as long again."""
        if self._frames > size * 3 // 2 and Work.DELETE in self.offers:
            await self.subject.delete(_LONG)
            await self.subject.create(_LONG)
            self._frames = 0
            await self.lengthen(size)

    def keys(self, many: int, *, long: bool) -> list[str]:
        """Return random sessions, or the one with the long log."""
        if long:
            return [_LONG] * many
        random, sessions = self._random.random, self._sessions
        if not self._skew:
            return [name_session(int(random() * sessions)) for _ in range(many)]
        if len(self._heat) != sessions:
            self._heat = list(accumulate(rank**-self._skew for rank in range(1, sessions + 1)))
        heat, whole = self._heat, self._heat[-1]
        ranks = (bisect(heat, random() * whole, hi=sessions - 1) for _ in range(many))
        # The most popular sessions are spread over the order of creation.
        return [name_session(rank * _STRIDE % sessions) for rank in ranks]

    def call(self, work: Work | None, batch: int) -> Callable[[str], Awaitable[object]]:
        """Return a function that does this work on a session; None means a sweep."""
        subject, message = self.subject, self._message
        if work is None:
            if not isinstance(subject, StoreSubject):
                raise ValueError("only a store can sweep")
            sweep = subject.sweep
            return lambda _: sweep()
        if batch:
            messages = [message] * batch
            return lambda key: subject.append_many(key, messages)
        calls: dict[Work, Callable[[str], Awaitable[object]]] = {
            Work.GET: subject.get,
            Work.TOUCH: subject.touch,
            Work.MODIFY: subject.modify,
            Work.CREATE: self._create_and_delete,
            Work.SET: lambda key: subject.set(key, message),
            Work.APPEND: self._append,
            Work.READ: lambda key: subject.read(key, _NEWEST if key is _LONG else 1),
            Work.LIST: lambda _: subject.list(),
        }
        return calls[work]

    async def _append(self, key: str) -> None:
        await self.subject.append(key, self._message)
        if key is _LONG:
            self._frames += 1

    async def _create_and_delete(self, _: str) -> None:
        key = f"bench-other-{next(self._numbers)}"
        await self.subject.create(key)
        await self.subject.delete(key)

    async def _made(
        self, make: Callable[[str], Awaitable[None]], size: int, stopped: Callable[[], bool]
    ) -> None:
        while self._sessions < size and not stopped():
            some = range(self._sessions, min(size, self._sessions + _AT_ONCE))
            await asyncio.gather(*(make(name_session(number)) for number in some))
            self._sessions = some.stop

    async def _delete_all(self) -> None:
        await self._each(self.subject.delete, [_LONG, *map(name_session, range(self._sessions))])

    async def _each(self, do: Callable[[str], Awaitable[object]], keys: Iterable[str]) -> None:
        waiting = iter(keys)
        while some := list(islice(waiting, _AT_ONCE)):
            await asyncio.gather(*map(do, some))


def name_session(number: int) -> str:
    """Return the id of a session by its number."""
    return f"bench-{number}"
