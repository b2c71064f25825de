"""News of sessions from other processes: blocking reads that ring the bells of who watches here."""

from __future__ import annotations

import asyncio
import logging
from typing import cast

from ...errors import StoreUnavailable
from ...watching import Bells
from .call import Answer, Call, Fate, Refused
from .keys import Bucket, Keys
from .link import Link
from .servers import Servers, passing

__all__ = ["NewsReader"]

logger = logging.getLogger("sessionkeeper")

_COUNT = 1000
_START = b"0-0"


class NewsReader:
    """Reads the news of buckets that are heeded, each on a connection of its own.

    A bell too many does no harm, one too few loses news. So all bells are rung whenever something
    may have been missed: after each connection, after a read that was full (what is trimmed away
    meanwhile nobody sees), and when the numbers have gone back (another server, an empty one).
    """

    def __init__(
        self, servers: Servers, keys: Keys, bells: Bells, *, block: float = 5.0, most: float = 5.0
    ) -> None:
        self._servers = servers
        self._keys = keys
        self._bells = bells
        self._block = block
        """Seconds a read waits on the server before it is begun anew."""
        self._most = most
        """Seconds between attempts to connect, at most."""
        self._heeded: dict[int, int] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    def __repr__(self) -> str:
        return f"<NewsReader buckets={len(self._tasks)}>"

    def heed(self, bucket: int) -> None:
        """Somebody watches a session of this bucket from now on: bells are rung once it is read."""
        if self._closed:
            return
        self._heeded[bucket] = self._heeded.get(bucket, 0) + 1
        if bucket not in self._tasks:
            self._tasks[bucket] = asyncio.get_running_loop().create_task(
                self._follow(self._keys.buckets[bucket]), name=f"sessionkeeper news of {bucket}"
            )

    def release(self, bucket: int) -> None:
        """One who watched has gone; with the last one the connection is closed."""
        if self._closed:
            return
        left = self._heeded.pop(bucket) - 1
        if left:
            self._heeded[bucket] = left
            return
        task = self._tasks.pop(bucket)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        task.cancel()

    async def aclose(self) -> None:
        """Close all connections at once, whatever they wait for."""
        self._closed = True
        tasks = [*self._tasks.values(), *self._ending]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _follow(self, bucket: Bucket) -> None:
        from redis.backoff import ExponentialWithJitterBackoff

        backoff = ExponentialWithJitterBackoff(base=0.05, cap=self._most)
        failures = 0
        while True:
            try:
                link = await self._servers.link(bucket.number, patience=self._block)
            except StoreUnavailable:
                pass
            else:
                try:
                    if await self._read(bucket, link):
                        failures = 0
                finally:
                    await link.aclose()
            self._servers.doubt(bucket.number)
            failures += 1
            await asyncio.sleep(backoff.compute(failures))

    async def _read(self, bucket: Bucket, link: Link) -> bool:
        """Read until the connection ends; whether anything was read."""
        words = ("XREAD", "BLOCK", int(self._block * 1000), "COUNT", _COUNT, "STREAMS", bucket.news)
        last = await self._newest(bucket, link)
        if last is None:
            return False
        # Whatever came before is to be seen in the sessions themselves.
        self._bells.ring_all()
        while True:
            (answer,) = await link.exchange([Call(bucket.number, (*words, last))])
            if not _is_answer(answer, link):
                return True
            entries = _entries(answer)
            for _, fields in entries:
                self._bells.ring(fields[1].decode())
            if 0 < len(entries) < _COUNT:
                last = entries[-1][0]
                continue
            newest = await self._newest(bucket, link)
            if newest is None:
                return True
            if newest != last:
                last = newest
                self._bells.ring_all()

    async def _newest(self, bucket: Bucket, link: Link) -> bytes | None:
        words = ("XREVRANGE", bucket.news, "+", "-", "COUNT", 1)
        (answer,) = await link.exchange([Call(bucket.number, words)])
        if not _is_answer(answer, link):
            return None
        return answer[0][0] if answer else _START


def _entries(answer: Answer) -> list[tuple[bytes, list[bytes]]]:
    streams = cast("dict[bytes, list[tuple[bytes, list[bytes]]]]", answer or {})
    return next(iter(streams.values())) if streams else []


def _is_answer(answer: Answer, link: Link) -> bool:
    if isinstance(answer, Refused):
        # A bucket that moved, or a primary that became a replica, is found again without a word.
        if passing(answer) or answer.code == "UNBLOCKED":
            return False
        # Its code alone: the text may quote the command.
        logger.warning("news of sessions on %s are refused: %s", link.name, answer.code)
        return False
    return not isinstance(answer, Fate)
