"""Subjects that are bad on purpose, each in one way; and one that is not."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from sessionlab.bench import StoredContent, Subject, Work

STALL = 0.3
"""Seconds."""


class Sound(Subject):
    """A dict of lists."""

    name: ClassVar[str] = "sound"
    offers: ClassVar[frozenset[Work]] = frozenset(Work) - {Work.SET, Work.TOUCH}
    limitations: ClassVar[tuple[str, ...]] = ("no durability", "<b>no</b> shame")

    def __init__(self) -> None:
        self.logs: dict[str, list[bytes]] = {}
        self.counters: Counter[str] = Counter()
        self.calls = itertools.count()

    async def create(self, key: str) -> None:
        self.logs[key] = []

    async def get(self, key: str) -> object:
        return self.logs[key]

    async def append(self, key: str, payload: bytes) -> None:
        self.logs[key].append(payload)

    async def append_many(self, key: str, payloads: Sequence[bytes]) -> None:
        self.logs[key] += payloads

    async def read(self, key: str, limit: int) -> int:
        return len(self.logs[key][-limit:])

    async def list(self) -> int:
        return len(list(self.logs))

    async def delete(self, key: str) -> None:
        del self.logs[key]

    async def modify(self, key: str) -> None:
        self.counters[key] += 1

    async def count_stored(self, key: str) -> StoredContent:
        return StoredContent(len(self.logs[key]), self.counters[key])


class StallsOnce(Sound):
    """Blocks its loop in the hundredth get, and in no other."""

    offers: ClassVar[frozenset[Work]] = frozenset({Work.CREATE, Work.GET})

    async def get(self, key: str) -> object:
        if next(self.calls) == 100:
            time.sleep(STALL)
        return self.logs[key]


class Hangs(Sound):
    """Never answers an append."""

    async def append(self, key: str, payload: bytes) -> None:
        await asyncio.get_running_loop().create_future()


class Loses(Sound):
    """Forgets each tenth message, and awaits between reading a counter and writing it."""

    async def append(self, key: str, payload: bytes) -> None:
        if next(self.calls) % 10:
            self.logs[key].append(payload)

    async def modify(self, key: str) -> None:
        counter = self.counters[key]
        await asyncio.sleep(0)
        self.counters[key] = counter + 1


class AppendsTwice(Sound):
    """Retries what it has done."""

    async def append(self, key: str, payload: bytes) -> None:
        self.logs[key] += [payload] if next(self.calls) % 10 else [payload, payload]


class RefusesAppends(Sound):
    """Stores each tenth message and says that it did not."""

    async def append(self, key: str, payload: bytes) -> None:
        self.logs[key].append(payload)
        if next(self.calls) % 10 == 0:
            raise ConnectionError("it is not said what was stored")


class Forgets(Sound):
    """Forgets a whole session as soon as it has four."""

    async def append_many(self, key: str, payloads: Sequence[bytes]) -> None:
        await super().append_many(key, payloads)
        if next(self.calls) == 3:
            del self.logs[min(self.logs)]


class NeverAppends(Sound):
    """There is a server, and it refuses all messages."""

    async def append(self, key: str, payload: bytes) -> None:
        raise ConnectionError("it is read only")


class Linear(Sound):
    """Looks at all sessions to get one."""

    offers: ClassVar[frozenset[Work]] = frozenset({Work.CREATE, Work.GET})

    async def get(self, key: str) -> object:
        # Four times, so that what a call costs anyway counts little, also when lines are traced.
        return sorted([*self.logs] * 4)[:1]


class Flat(Linear):
    """Looks at a thousand, however many there are."""

    async def get(self, key: str) -> object:
        return sorted(range(1_000))[:1]


class OpensOnce(Sound):
    """Its process is killed when it is opened a second time."""

    async def open(self) -> None:
        self.calls_of_all[0] += 1
        if self.calls_of_all[0] > 1:
            os.kill(os.getpid(), signal.SIGKILL)

    calls_of_all: ClassVar[list[int]] = [0]


class CannotOpen(Sound):
    """There is no server, say."""

    async def open(self) -> None:
        raise OSError("nobody listens there")
