"""`trim_frames(id, *, up_to)`: drops `seq <= up_to` (Guarantees 3.5)."""

from __future__ import annotations

import asyncio

import pytest
from sessionkeeper import AtomicSessionStore, LimitExceeded, StoreLimits

from tests.support.sessions import FakeClock, fill, new_session, note
from tests.support.stores import Design


async def numbers(store: AtomicSessionStore, id: str = "a") -> list[int]:
    """The numbers that are left."""
    return [frame.seq for frame in await store.read_frames(id)]


async def test_counts_and_bytes_follow(store: AtomicSessionStore) -> None:
    """Of the session and of the store, exactly; `delete_frames` and deleting after it as well."""
    for key in "ab":
        await store.create_session(new_session(key))
        await fill(store, 100, key)
    held = (await store.statistics()).bytes
    sizes = [len(each.message) for each in await store.get_frames("a")]
    assert held == 2 * sum(sizes)
    await store.trim_frames("a", up_to=30)
    now = await store.statistics()
    assert (now.frames, now.bytes) == (170, held - sum(sizes[:30]))
    assert await store.count_frames("a") == (await store.get_session("a")).frame_count == 70
    assert await store.delete_frames("a") == 70
    now = await store.statistics()
    assert (now.frames, now.bytes) == (100, sum(sizes))
    await store.trim_frames("b", up_to=99)
    await store.delete_session("b")
    now = await store.statistics()
    assert (now.frames, now.bytes) == (0, 0)


async def test_trimming_makes_room(design: Design) -> None:
    """The limits count the frames that are stored now."""
    async with design(limits=StoreLimits(max_frames_per_session=2)) as store:
        await store.create_session(new_session())
        await fill(store, 2)
        with pytest.raises(LimitExceeded):
            await store.add_frame(note(3))
        await store.trim_frames("a", up_to=1)
        assert await store.add_frame(note(3)) == 3


async def test_trimming_is_no_activity_and_no_change(design: Design) -> None:
    """A sweep that trims keeps nothing alive, and no snapshot becomes stale by it."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        await store.create_session(new_session())
        await fill(store, 5)
        before = await store.get_session("a")
        clock.advance(10)
        await store.trim_frames("a", up_to=2)
        after = await store.get_session("a")
        assert (after.last_activity, after.revision) == (before.last_activity, before.revision)
        assert (before.frame_count, after.frame_count) == (5, 3)
        assert [each.id for each in await store.expire_sessions(idle=10)] == ["a"]


async def test_reading_page_by_page_while_trimmed(store: AtomicSessionStore) -> None:
    """A reader skips removed frames and sees the rest once, in order."""
    await store.create_session(new_session())
    await fill(store, 300)
    seen: list[int] = []

    async def read() -> None:
        while page := await store.read_frames("a", after=seen[-1] if seen else 0, limit=7):
            seen.extend(frame.seq for frame in page)
            await asyncio.sleep(0)

    async def trim() -> None:
        for up_to in range(0, 300, 11):
            await store.trim_frames("a", up_to=up_to)
            await asyncio.sleep(0)

    await asyncio.gather(read(), trim())
    assert seen == sorted(set(seen))
    assert seen[-1] == 300
    assert await store.count_frames("a") == 300 - 297


async def test_writers_and_trimmers_race(store: AtomicSessionStore) -> None:
    """Every number is used once, the counts agree, and the end of the log is left."""
    await store.create_session(new_session())
    trimmed = 0

    async def write() -> list[int]:
        return [await store.add_frame(note()) for _ in range(40)]

    async def trim() -> None:
        nonlocal trimmed
        for up_to in range(0, 400, 9):
            trimmed += await store.trim_frames("a", up_to=up_to)
            await asyncio.sleep(0)

    *given, _ = await asyncio.gather(*(write() for _ in range(16)), trim())
    assert sorted(seq for seqs in given if seqs for seq in seqs) == [*range(1, 641)]
    assert await numbers(store) == [*range(trimmed + 1, 641)]
    statistics = await store.statistics()
    assert statistics.frames == await store.count_frames("a") == 640 - trimmed
    assert statistics.bytes == sum(len(each.message) for each in await store.get_frames("a"))
