"""A subject that is filled to a size, and asked for things all over it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from random import Random

from .load import message_of
from .of_store import StoreSubject
from .subject import Subject, Work

__all__ = ["Filled"]

_AT_ONCE = 256
_BATCH = 500
_PAYLOAD = 100
_NEWEST = 20
_LONG = "bench-long"


class Filled:
    """Sessions by number and one long log, in a subject."""

    payload_bytes = _PAYLOAD

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.offers = frozenset(subject.offers)
        self.sweeps = isinstance(subject, StoreSubject)
        self._random = Random(1)  # noqa: S311 - which sessions are asked for, no secret
        self._message = message_of(_PAYLOAD)
        self._batches: dict[int, list[bytes]] = {}
        self._sessions = self._frames = 0
        self._numbers = count()

    def __repr__(self) -> str:
        return f"<Filled {self._sessions:,} sessions, {self._frames:,} frames in one>"

    async def open(self, size: int) -> None:
        """Open it with so many sessions and so many frames in the long log."""
        await self.subject.open()
        await self.subject.create(_LONG)
        await self.fill(size)
        if Work.APPEND in self.offers:
            await self.lengthen(size)

    async def aclose(self, *, tidy: bool) -> None:
        """Close it; with `tidy`, delete what was made first."""
        if tidy:
            keys = [_LONG, *(f"bench-{n}" for n in range(self._sessions))]
            for first in range(0, len(keys), _AT_ONCE):
                await asyncio.gather(
                    *(self.subject.delete(key) for key in keys[first : first + _AT_ONCE])
                )
        await self.subject.aclose()

    async def fill(self, size: int, stopped: Callable[[], bool] = lambda: False) -> None:
        """Let there be so many sessions."""
        while self._sessions < size and not stopped():
            some = range(self._sessions, min(size, self._sessions + _AT_ONCE))
            await asyncio.gather(*(self.subject.create(f"bench-{n}") for n in some))
            self._sessions = some.stop

    async def lengthen(self, size: int, stopped: Callable[[], bool] = lambda: False) -> None:
        """Let the long log be so long."""
        while self._frames < size and not stopped():
            some = min(size - self._frames, _BATCH)
            await self.subject.append_many(_LONG, [self._message] * some)
            self._frames += some
            await asyncio.sleep(0)

    async def settle(self, size: int) -> None:
        """Make the long log anew if what was measured has made it half as long again."""
        if self._frames > size * 3 // 2:
            await self.subject.delete(_LONG)
            await self.subject.create(_LONG)
            self._frames = 0
            await self.lengthen(size)

    def call(self, work: Work | None, batch: int) -> Callable[[], Awaitable[object]]:
        """Return what does one thing: a sweep for None, of the long log for a batch of -1."""
        subject, message = self.subject, self._message
        if work is None:
            if not isinstance(subject, StoreSubject):
                raise ValueError("only a store sweeps")
            return subject.sweep
        if batch > 0:
            messages = self._batches.setdefault(batch, [message] * batch)
            return lambda: subject.append_many(self._key(), messages)
        if work is Work.CREATE:
            return self._create_and_delete
        if work is Work.LIST:
            return subject.list
        calls: dict[Work, Callable[[str], Awaitable[object]]] = {
            Work.GET: subject.get,
            Work.TOUCH: subject.touch,
            Work.MODIFY: subject.modify,
            Work.SET: lambda key: subject.set(key, message),
            Work.APPEND: lambda key: subject.append(key, message),
            Work.READ: lambda key: subject.read(key, _NEWEST),
        }
        one = calls[work]
        if batch < 0:
            return self._append_to_long if work is Work.APPEND else lambda: one(_LONG)
        return lambda: one(self._key())

    def _key(self) -> str:
        return f"bench-{int(self._random.random() * self._sessions)}"

    async def _append_to_long(self) -> None:
        await self.subject.append(_LONG, self._message)
        self._frames += 1

    async def _create_and_delete(self) -> None:
        key = f"bench-other-{next(self._numbers)}"
        await self.subject.create(key)
        await self.subject.delete(key)
