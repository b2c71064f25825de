"""Reads the change feed of other processes, and wakes the watchers of this one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from ...interface.wakeups import StoreWakeups
from ...values.errors import StoreUnavailable
from .client.call import Answer, Call, DeliveryStatus, Refused
from .client.connection import Connection
from .client.refusals import is_transient
from .client.servers import Servers
from .codec import decode_id
from .keys import Bucket, Keys

__all__ = ["StreamReader"]

logger = logging.getLogger("sessionkeeper")

_COUNT = 1000
_EXPIRED = 1
_START = b"0-0"


class StreamReader:
    """Reads the change feed of each watched bucket on a connection of its own.

    A needless wake-up does no harm; a missing one loses a change. So all watchers wake whenever a
    change may have been missed: after each connect, after a full read (what was trimmed meanwhile
    is not seen), and when the numbers went back (another server, or an empty one).
    """

    def __init__(
        self,
        servers: Servers,
        keys: Keys,
        wakeups: StoreWakeups,
        enable_change_feed: Callable[[Bucket, float], Call],
        *,
        block: float = 5.0,
        maximum: float = 5.0,
        linger: float = 10.0,
    ) -> None:
        self._enabling_call = enable_change_feed
        """Makes the call that enables the change feed of a bucket for some seconds."""
        self._linger = linger
        """Seconds a connection stays open without watchers: a watcher may come back soon."""
        self._idle_since: dict[int, float] = {}
        self._servers = servers
        self._keys = keys
        self._wakeups = wakeups
        self._block = block
        """Seconds a read blocks on the server before it is repeated."""
        self._max_pause = maximum
        """Maximum seconds between two attempts to connect."""
        self._watchers: dict[int, int] = {}
        """By bucket: the number of watchers."""
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._closed = False

    def __repr__(self) -> str:
        return f"<StreamReader buckets={len(self._tasks)}>"

    def watch(self, bucket: int) -> None:
        """Add a watcher of this bucket. All watchers wake as soon as its feed is read."""
        if self._closed:
            return
        self._watchers[bucket] = self._watchers.get(bucket, 0) + 1
        if bucket not in self._tasks:
            self._tasks[bucket] = asyncio.get_running_loop().create_task(
                self._follow(self._keys.buckets[bucket]),
                name=f"sessionkeeper change feed of {bucket}",
            )

    def release(self, bucket: int) -> None:
        """Remove a watcher. Some time after the last one the connection closes."""
        if self._closed:
            return
        left = self._watchers.pop(bucket) - 1
        if left:
            self._watchers[bucket] = left
        else:
            self._idle_since[bucket] = asyncio.get_running_loop().time()

    async def aclose(self) -> None:
        """Close all connections at once."""
        self._closed = True
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _follow(self, bucket: Bucket) -> None:
        from redis.backoff import ExponentialWithJitterBackoff

        backoff = ExponentialWithJitterBackoff(base=0.05, cap=self._max_pause)
        failures = 0
        while self._is_watched(bucket):
            try:
                connection = await self._servers.connect(bucket.number, patience=self._block)
            except StoreUnavailable:
                pass
            else:
                try:
                    if await self._read(bucket, connection):
                        failures = 0
                finally:
                    await connection.aclose()
            if not self._is_watched(bucket):
                break
            self._servers.invalidate(bucket.number)
            failures += 1
            await asyncio.sleep(backoff.compute(failures))
        # In the same step in which no watcher was found: the next watcher begins again.
        del self._tasks[bucket.number]

    def _is_watched(self, bucket: Bucket) -> bool:
        if bucket.number in self._watchers:
            return True
        idle = asyncio.get_running_loop().time() - self._idle_since.get(bucket.number, 0.0)
        return idle < self._linger

    async def _read(self, bucket: Bucket, connection: Connection) -> bool:
        """Read until the connection ends. Returns whether anything was read."""
        command = (
            "XREAD",
            "BLOCK",
            int(self._block * 1000),
            "COUNT",
            _COUNT,
            "STREAMS",
            bucket.changes,
        )
        enable = self._enabling_call(bucket, 4 * self._block)
        (enabled,) = await connection.exchange([enable], _max_seconds(connection))
        last = await self._read_newest(bucket, connection)
        if last is None or not _is_answer(enabled, connection):
            return False
        # Watchers see all earlier changes in the sessions themselves.
        self._wakeups.notify_all()
        while self._is_watched(bucket):
            read = Call(bucket.number, (*command, last))
            enabled, answer = await connection.exchange([enable, read], _max_seconds(connection))
            if not _is_answer(enabled, connection) or not _is_answer(answer, connection):
                return True
            if enabled == _EXPIRED:
                self._wakeups.notify_all()
            entries = _entries(answer)
            for _, (_, session_id) in entries:
                self._wakeups.notify(decode_id(session_id))
            if 0 < len(entries) < _COUNT:
                last, _ = entries[-1]
                continue
            newest = await self._read_newest(bucket, connection)
            if newest is None:
                return True
            if newest != last:
                last = newest
                self._wakeups.notify_all()
        return True

    async def _read_newest(self, bucket: Bucket, connection: Connection) -> bytes | None:
        command = ("XREVRANGE", bucket.changes, "+", "-", "COUNT", 1)
        (answer,) = await connection.exchange(
            [Call(bucket.number, command)], _max_seconds(connection)
        )
        if not _is_answer(answer, connection):
            return None
        entries = cast("list[tuple[bytes, list[bytes]]]", answer)
        return next((number for number, _ in entries), _START)


def _max_seconds(connection: Connection) -> float:
    """Return how long one read may take: a server that answers byte by byte is never silent."""
    return 2 * connection.silence


def _entries(answer: Answer) -> list[tuple[bytes, list[bytes]]]:
    streams = cast("dict[bytes, list[tuple[bytes, list[bytes]]]]", answer or {})
    return next(iter(streams.values())) if streams else []


def _is_answer(answer: Answer, connection: Connection) -> bool:
    if isinstance(answer, Refused):
        # A bucket that moved, or a primary that became a replica, is found again: no log line.
        if is_transient(answer):
            return False
        # Only its code: the text may quote the command.
        logger.warning("%s refuses the change feed: %s", connection.name, answer.code)
        return False
    return not isinstance(answer, DeliveryStatus)
