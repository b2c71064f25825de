"""The incarnation on a server: in the session's hash, or from its number where that has none."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis
from redis_server import RedisServer
from sessionkeeper import LimitExceeded, RedisSessionStore, SessionNotFound, StoreLimits
from sessionlab.conformance.samples import new, note, tagged


async def test_a_session_of_an_older_library_keeps_its_incarnation(
    server: RedisServer, key_prefix: str
) -> None:
    """It has no field for it: the incarnation is that of its number, for every reader."""
    prefix = key_prefix[:-1]
    async with (
        RedisSessionStore(server.url, prefix=prefix) as store,
        Redis.from_url(server.url) as client,
    ):
        await store.create_session(new("first"))
        created = await store.create_session(new())
        await store.add_frame(note(1))
        hashes = [key async for key in client.scan_iter(match=f"{{{prefix}:*}}:s:a")]
        assert await client.hdel(hashes[0], "i") == 1
        old = await store.get_session("a")
        assert old.incarnation == f"{2:016x}" != created.incarnation
        updated = await store.update_session(tagged(old, "x"))
        changed = await store.modify_session("a", lambda each: tagged(each, "y"))
        shown = (updated, changed, *await store.get_sessions_batch(["a"]))
        assert {each.incarnation for each in shown} == {old.incarnation}
        (frame,) = await store.read_frames("a", incarnation=old.incarnation)
        assert frame.seq == 1
        assert await anext(store.watch_frames("a", incarnation=old.incarnation)) == frame
        for other in (created.incarnation, f"{1:016x}"):
            with pytest.raises(SessionNotFound):
                await store.read_frames("a", incarnation=other)
            with pytest.raises(SessionNotFound):
                await anext(store.watch_frames("a", incarnation=other))


async def test_only_the_session_that_is_meant_loses_frames(
    server: RedisServer, key_prefix: str
) -> None:
    """By its field or by its number, and before the store looks how many numbers there are."""
    limits = StoreLimits(max_frames_per_batch=2)
    prefix = key_prefix[:-1]
    async with (
        RedisSessionStore(server.url, prefix=prefix, limits=limits) as store,
        Redis.from_url(server.url) as client,
    ):
        own = (await store.create_session(new())).incarnation
        for now, other in ((own, f"{1:016x}"), (f"{1:016x}", own)):
            for n in range(4):
                last = await store.add_frame(note(n))
            with pytest.raises(SessionNotFound):
                await store.trim_frames("a", up_to=last, incarnation=other)
            for seqs in ([last], [last + 1], [1, 2, 3]):
                with pytest.raises(SessionNotFound):
                    await store.remove_frames("a", seqs, incarnation=other)
            with pytest.raises(LimitExceeded):
                await store.remove_frames("a", [1, 2, 3], incarnation=now)
            assert await store.remove_frames("a", [last], incarnation=now) == 1
            assert await store.trim_frames("a", up_to=last, incarnation=now) == 4
            hashes = [key async for key in client.scan_iter(match=f"{{{prefix}:*}}:s:a")]
            await client.hdel(hashes[0], "i")  # as an older library stored it


async def test_a_server_that_lost_its_data_gives_other_incarnations(
    server: RedisServer, key_prefix: str
) -> None:
    """Its numbers and revisions begin again, and yet nobody takes the new session for the old."""
    prefix = key_prefix[:-1]
    async with RedisSessionStore(server.url, prefix=prefix) as store:
        old = await store.create_session(new())
        await store.add_frame(note(1))
    async with Redis.from_url(server.url) as client:
        await client.delete(*[key async for key in client.scan_iter(match=f"{{{prefix}:*")])
    async with RedisSessionStore(server.url, prefix=prefix) as store:
        now = await store.create_session(new())
        await store.add_frame(note(2))
        assert now.revision == old.revision
        with pytest.raises(SessionNotFound):
            await store.read_frames("a", incarnation=old.incarnation)
