"""A store on a server with a loop thread of its own: watched, and cancelled, from other loops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from redis_operations import note, session
from redis_server import RedisServer
from sessionkeeper import AtomicSessionStore, RedisSessionStore, threaded

from tests.support.thread_group import ThreadGroup

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


async def followed(store: AtomicSessionStore) -> list[int]:
    """The numbers of all frames until the session ends."""
    return [frame.seq async for frame in store.watch_frames("a")]


async def test_watchers_of_several_loops_see_what_other_stores_write(
    server: RedisServer, key_prefix: str, loop_factory: LoopFactory
) -> None:
    """The change feed wakes them, wherever they wait; nothing is missed."""
    prefix = key_prefix[:-1]

    def elsewhere() -> list[int]:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(followed(store))

    async with (
        threaded(f"{server.url}?prefix={prefix}") as store,
        RedisSessionStore(server.url, prefix=prefix) as other,
    ):
        await store.create_session(session("a"))
        group = ThreadGroup()
        there = [group.begin(elsewhere) for _ in range(2)]
        here = asyncio.ensure_future(followed(store))
        for number in range(60):
            await (store if number % 2 else other).add_frame(note(number))
        await other.modify_session("a", lambda each: each.model_copy(update={"state": "closed"}))
        assert await here == [*range(1, 61)]
        for each in there:
            assert await asyncio.to_thread(each.result, 300) == [*range(1, 61)]


async def test_a_cancelled_call_is_whole_or_not_there(server: RedisServer, key_prefix: str) -> None:
    """Whenever its caller gives up; and the store goes on."""
    async with threaded(f"{server.url}?prefix={key_prefix[:-1]}") as store:
        await store.create_session(session("a"))
        for turns in range(40):
            batch = [note(turns)] * 3
            task = asyncio.ensure_future(store.add_frames("a", batch))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await store.settle()
        assert await store.count_frames("a") % 3 == 0
        assert [*await store.add_frames("a", [note(1)])] == [await store.count_frames("a")]
