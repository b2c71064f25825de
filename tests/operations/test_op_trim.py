"""`trim_frames(id, *, up_to)`: drops `seq <= up_to` (contract 4)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import AtomicSessionStore, LimitExceeded, SessionNotFound, StoreLimits

if TYPE_CHECKING:
    from tests.operations.conftest import Design, Desk


async def numbers(store: AtomicSessionStore, id: str = "a") -> list[int]:
    """The numbers that are left."""
    return [frame.seq for frame in await store.read_frames(id)]


async def test_trimming_drops_the_front(store: AtomicSessionStore, desk: Desk) -> None:
    """`seq <= up_to` go, the rest stays as it was, byte for byte."""
    await store.create_session(desk.session())
    await desk.fill(store, 10)
    before = await store.read_frames("a")
    assert await store.trim_frames("a", up_to=4) == 4
    assert await store.read_frames("a") == before[4:]
    assert await store.get_frames("a") == [frame.envelope for frame in before[4:]]
    assert await store.read_frames("a", after=2, limit=2) == before[4:6]
    assert await store.read_frames("a", limit=2, newest=True) == before[8:]


async def test_trimming_again_drops_nothing(store: AtomicSessionStore, desk: Desk) -> None:
    """What is gone is not counted twice; 0 and a smaller number drop nothing."""
    await store.create_session(desk.session())
    assert await store.trim_frames("a", up_to=5) == 0
    await desk.fill(store, 10)
    assert await store.trim_frames("a", up_to=0) == 0
    assert await store.trim_frames("a", up_to=6) == 6
    assert await store.trim_frames("a", up_to=6) == 0
    assert await store.trim_frames("a", up_to=3) == 0
    assert await store.trim_frames("a", up_to=7) == 1
    assert await numbers(store) == [8, 9, 10]


async def test_trimmed_numbers_are_never_used_again(store: AtomicSessionStore, desk: Desk) -> None:
    """Past the end nothing is dropped that is not there, and numbering goes on."""
    await store.create_session(desk.session())
    await desk.fill(store, 3)
    assert await store.trim_frames("a", up_to=10**30) == 3
    session = await store.get_session("a")
    assert (session.frame_count, session.last_seq) == (0, 3)
    assert await store.get_frames("a") == []
    assert await store.add_frame(desk.note(4)) == 4
    assert await store.trim_frames("a", up_to=3) == 0
    assert await numbers(store) == [4]
    await store.add_frames("a", [desk.note(5)], expected_last_seq=4)
    assert await numbers(store) == [4, 5]


async def test_counts_and_bytes_follow(store: AtomicSessionStore, desk: Desk) -> None:
    """Of the session and of the store, exactly; `delete_frames` and deleting after it as well."""
    for key in "ab":
        await store.create_session(desk.session(key))
        await desk.fill(store, 100, key)
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


async def test_what_is_trimmed_makes_room(design: Design, desk: Desk) -> None:
    """The limits count what is held."""
    async with design(limits=StoreLimits(max_frames_per_session=2)) as store:
        await store.create_session(desk.session())
        await desk.fill(store, 2)
        with pytest.raises(LimitExceeded):
            await store.add_frame(desk.note(3))
        await store.trim_frames("a", up_to=1)
        assert await store.add_frame(desk.note(3)) == 3


async def test_trimming_is_no_activity_and_no_change(design: Design, desk: Desk) -> None:
    """A sweep that trims keeps nothing alive, and no snapshot becomes stale by it."""
    dial = desk.dial()
    async with design(clock=dial.clock()) as store:
        await store.create_session(desk.session())
        await desk.fill(store, 5)
        before = await store.get_session("a")
        dial.wait(10)
        await store.trim_frames("a", up_to=2)
        after = await store.get_session("a")
        assert (after.last_activity, after.revision) == (before.last_activity, before.revision)
        assert (before.frame_count, after.frame_count) == (5, 3)
        assert [each.id for each in await store.expire_sessions(idle=10)] == ["a"]


async def test_an_ended_session_can_be_trimmed(store: AtomicSessionStore, desk: Desk) -> None:
    """Its log only shrinks."""
    await store.create_session(desk.session())
    await desk.fill(store, 5)
    await desk.close(store)
    assert await store.trim_frames("a", up_to=2) == 2
    assert await numbers(store) == [3, 4, 5]


async def test_an_unknown_session_cannot_be_trimmed(store: AtomicSessionStore) -> None:
    """`SessionNotFound`."""
    with pytest.raises(SessionNotFound):
        await store.trim_frames("a", up_to=1)


async def test_reading_page_by_page_while_trimmed(store: AtomicSessionStore, desk: Desk) -> None:
    """A reader skips what is gone and sees the rest once, in order."""
    await store.create_session(desk.session())
    await desk.fill(store, 300)
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


async def test_writers_and_trimmers_race(store: AtomicSessionStore, desk: Desk) -> None:
    """Every number is given once, the counts agree, and what is left is the end of the log."""
    await store.create_session(desk.session())
    trimmed = 0

    async def write() -> list[int]:
        return [await store.add_frame(desk.note()) for _ in range(40)]

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
