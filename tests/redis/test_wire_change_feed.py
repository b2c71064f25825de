"""Changes of other processes wake watchers here, whatever happens to the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from redis_fleet import Fleet
from redis_proxy import FaultProxy
from redis_server import RedisServer
from sessionkeeper.backends.redis.client.address import RedisAddress
from sessionkeeper.backends.redis.client.single_server import SingleServer
from sessionkeeper.backends.redis.keys import Keys
from sessionkeeper.backends.redis.stream_reader import StreamReader
from sessionkeeper.backends.redis.wakeups import enable_change_feed
from sessionkeeper.interface.wakeups import StoreWakeups


class Reading:
    """A reader of two buckets' change feeds, with a wake-up for one session."""

    def __init__(self, url: str, prefix: str, block: float) -> None:
        self.keys = Keys(prefix.rstrip(":"), 2)
        self.wakeups = StoreWakeups()
        self.servers = SingleServer(RedisAddress.of(url))
        self.reader = StreamReader(
            self.servers,
            self.keys,
            self.wakeups,
            partial(enable_change_feed, "w"),
            block=block,
            maximum=0.05,
            linger=0.0,
        )
        self.wakeup = asyncio.Event()

    async def wait(self) -> None:
        """Wait for the wake-up, and subscribe again."""
        await self.wakeup.wait()
        self.wakeup.clear()

    def tell(self, server: RedisServer, session_id: str, bucket: int = 0) -> None:
        """The effect of a script on the server when a session changes."""
        server.say("XADD", self.keys.buckets[bucket].changes, "*", "s", session_id)


@asynccontextmanager
async def reading(url: str, prefix: str, block: float = 20.0) -> AsyncIterator[Reading]:
    it = Reading(url, prefix, block)
    with it.wakeups.subscribe("mine") as it.wakeup:
        try:
            yield it
        finally:
            await it.reader.aclose()
            await it.servers.aclose()


async def test_a_change_of_a_session_wakes_only_its_watchers(
    server: RedisServer, key_prefix: str
) -> None:
    """All watchers wake once when reading begins: earlier changes are not in the feed."""
    async with reading(server.url, key_prefix) as it:
        with it.wakeups.subscribe("theirs") as theirs:
            it.tell(server, "mine")
            it.reader.watch(0)
            await it.wait()
            await theirs.wait()
            theirs.clear()
            for _ in range(10):
                it.tell(server, "mine")
                await it.wait()
            assert not theirs.is_set()


async def test_the_change_feed_is_read_while_somebody_watches(
    proxy: FaultProxy, server: RedisServer, key_prefix: str
) -> None:
    """One connection a bucket, however many watch; it ends with the read after the last one."""
    async with reading(proxy.url, key_prefix, block=0.3) as it:
        for _ in range(3):
            it.reader.watch(1)
            it.reader.watch(0)
        await it.wait()
        blocked = proxy.requests.counted
        while blocked["XREAD"] < 2:
            await asyncio.sleep(0)
        assert proxy.open == 2
        it.reader.release(0)
        it.reader.release(0)
        it.wakeup.clear()
        it.tell(server, "mine", bucket=0)
        await it.wait()
        it.reader.release(0)
        while proxy.open > 1:
            await asyncio.sleep(0)
        it.tell(server, "mine", bucket=1)
        await it.wait()
        it.reader.watch(0)
        await it.wait()
        assert proxy.accepted == 3


async def test_after_a_lost_connection_all_watchers_wake_and_the_feed_is_read_again(
    proxy: FaultProxy, server: RedisServer, key_prefix: str
) -> None:
    """Changes announced in between are found by reading."""
    async with reading(proxy.url, key_prefix) as it:
        it.reader.watch(0)
        await it.wait()
        for _ in range(3):
            proxy.refuse()
            await proxy.cut()
            it.tell(server, "somebody")
            it.wakeup.clear()
            await proxy.listen()
            await it.wait()
            it.tell(server, "mine")
            await it.wait()


async def test_a_full_read_of_the_feed_wakes_all_watchers(
    proxy: FaultProxy, server: RedisServer, key_prefix: str
) -> None:
    """A reader so far behind may have missed trimmed entries."""
    async with reading(proxy.url, key_prefix) as it:
        it.reader.watch(0)
        await it.wait()
        held = proxy.replies.hold("XREAD")
        it.tell(server, "somebody")
        await held.reached()
        feed = it.keys.buckets[0].changes
        fill = "for i = 1, 1500 do redis.call('XADD', KEYS[1], '*', 's', 'other') end"
        it.tell(server, "mine")
        server.say("EVAL", fill, 1, feed)
        server.say("XTRIM", feed, "MAXLEN", 1200)
        it.wakeup.clear()
        held.release()
        await it.wait()
        it.tell(server, "mine")
        await it.wait()


async def test_a_feed_that_starts_again_is_read_again(fleet: Fleet, key_prefix: str) -> None:
    """FLUSHALL, or another primary: numbers lower than the last one read would never come."""
    server = fleet.start()
    async with reading(server.url, key_prefix, block=0.05) as it:
        feed = it.keys.buckets[0].changes
        server.say("XADD", feed, "9999999999999-0", "s", "mine")
        it.reader.watch(0)
        await it.wait()
        server.say("FLUSHALL")
        server.say("XADD", feed, "1-1", "s", "mine")
        await it.wait()
        it.wakeup.clear()
        server.say("XADD", feed, "1-2", "s", "mine")
        await it.wait()


async def test_closing_does_not_wait_for_the_blocking_read(
    server: RedisServer, key_prefix: str
) -> None:
    """Nor for a watcher; later calls do nothing."""
    async with reading(server.url, key_prefix, block=1_000.0) as it:
        it.reader.watch(0)
        await it.wait()
        await it.reader.aclose()
        it.reader.release(0)
        it.reader.watch(1)
        await it.reader.aclose()
