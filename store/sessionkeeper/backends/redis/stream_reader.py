"""News of sessions from other processes: blocking reads that ring the bells of who watches here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from ...interface.wakeups import Wakeups
from ...values.errors import StoreUnavailable
from .client.call import Answer, Call, DeliveryStatus, Refused
from .client.connection import Connection
from .client.refusals import is_transient
from .client.servers import Servers
from .codec import decoded_id
from .keys import Bucket, Keys

__all__ = ["StreamReader"]

logger = logging.getLogger("sessionkeeper")

_COUNT = 1000
_LAPSED = 1
_START = b"0-0"


class StreamReader:
    """Reads the news of buckets that are heeded, each on a connection of its own.

    A bell too many does no harm, one too few loses news. So all bells are rung whenever something
    may have been missed: after each connection, after a read that was full (what is trimmed away
    meanwhile nobody sees), and when the numbers have gone back (another server, an empty one).
    """

    def __init__(
        self,
        servers: Servers,
        keys: Keys,
        wakeups: Wakeups,
        enable_change_feed: Callable[[Bucket, float], Call],
        *,
        block: float = 5.0,
        maximum: float = 5.0,
        linger: float = 10.0,
    ) -> None:
        self._heed = enable_change_feed
        """Makes the call that has news written for so many seconds."""
        self._linger = linger
        """Seconds a connection is kept when nobody watches: the next step of a watcher is near."""
        self._idle_since: dict[int, float] = {}
        self._servers = servers
        self._keys = keys
        self._wakeups = wakeups
        self._block = block
        """Seconds a read waits on the server before it is begun anew."""
        self._most = maximum
        """Seconds between attempts to connect, at most."""
        self._heeded: dict[int, int] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._closed = False

    def __repr__(self) -> str:
        return f"<NewsReader buckets={len(self._tasks)}>"

    def enable_change_feed(self, bucket: int) -> None:
        """Somebody watches a session of this bucket from now on: bells are rung once it is read."""
        if self._closed:
            return
        self._heeded[bucket] = self._heeded.get(bucket, 0) + 1
        if bucket not in self._tasks:
            self._tasks[bucket] = asyncio.get_running_loop().create_task(
                self._follow(self._keys.buckets[bucket]), name=f"sessionkeeper news of {bucket}"
            )

    def release(self, bucket: int) -> None:
        """One who watched has gone; some time after the last one the connection is closed."""
        if self._closed:
            return
        left = self._heeded.pop(bucket) - 1
        if left:
            self._heeded[bucket] = left
        else:
            self._idle_since[bucket] = asyncio.get_running_loop().time()

    async def aclose(self) -> None:
        """Close all connections at once, whatever they wait for."""
        self._closed = True
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _follow(self, bucket: Bucket) -> None:
        from redis.backoff import ExponentialWithJitterBackoff

        backoff = ExponentialWithJitterBackoff(base=0.05, cap=self._most)
        failures = 0
        while self._wanted(bucket):
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
            if not self._wanted(bucket):
                break
            self._servers.invalidate(bucket.number)
            failures += 1
            await asyncio.sleep(backoff.compute(failures))
        # In the step that found nobody there: who comes next begins anew.
        del self._tasks[bucket.number]

    def _wanted(self, bucket: Bucket) -> bool:
        if bucket.number in self._heeded:
            return True
        idle = asyncio.get_running_loop().time() - self._idle_since.get(bucket.number, 0.0)
        return idle < self._linger

    async def _read(self, bucket: Bucket, link: Connection) -> bool:
        """Read until the connection ends; whether anything was read."""
        words = ("XREAD", "BLOCK", int(self._block * 1000), "COUNT", _COUNT, "STREAMS", bucket.news)
        enable_change_feed = self._heed(bucket, 4 * self._block)
        (heeded,) = await link.exchange([enable_change_feed], _longest(link))
        last = await self._newest(bucket, link)
        if last is None or not _is_answer(heeded, link):
            return False
        # Whatever came before is to be seen in the sessions themselves.
        self._wakeups.notify_all()
        while self._wanted(bucket):
            read = Call(bucket.number, (*words, last))
            heeded, answer = await link.exchange([enable_change_feed, read], _longest(link))
            if not _is_answer(heeded, link) or not _is_answer(answer, link):
                return True
            if heeded == _LAPSED:
                self._wakeups.notify_all()
            entries = _entries(answer)
            for _, fields in entries:
                self._wakeups.notify(decoded_id(fields[1]))
            if 0 < len(entries) < _COUNT:
                last = entries[-1][0]
                continue
            newest = await self._newest(bucket, link)
            if newest is None:
                return True
            if newest != last:
                last = newest
                self._wakeups.notify_all()
        return True

    async def _newest(self, bucket: Bucket, link: Connection) -> bytes | None:
        words = ("XREVRANGE", bucket.news, "+", "-", "COUNT", 1)
        (answer,) = await link.exchange([Call(bucket.number, words)], _longest(link))
        if not _is_answer(answer, link):
            return None
        return answer[0][0] if answer else _START


def _longest(link: Connection) -> float:
    """Seconds one read may take: who answers byte by byte is never silent."""
    return 2 * link.silence


def _entries(answer: Answer) -> list[tuple[bytes, list[bytes]]]:
    streams = cast("dict[bytes, list[tuple[bytes, list[bytes]]]]", answer or {})
    return next(iter(streams.values())) if streams else []


def _is_answer(answer: Answer, link: Connection) -> bool:
    if isinstance(answer, Refused):
        # A bucket that moved, or a primary that became a replica, is found again without a word.
        if is_transient(answer):
            return False
        # Its code alone: the text may quote the command.
        logger.warning("news of sessions on %s are refused: %s", link.name, answer.code)
        return False
    return not isinstance(answer, DeliveryStatus)
