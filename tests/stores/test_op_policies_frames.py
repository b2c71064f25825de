"""`frames_full`: which frames a full log drops, and that a refused append drops none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from sessionkeeper import FramesFull, LimitExceeded, SequenceConflict, StoreLimits

from tests.support.sessions import close_session, fill, new_session, note, read_to_end
from tests.support.stores import Design, tables_of

if TYPE_CHECKING:
    from sessionkeeper import AtomicSessionStore


def dropping(**limits: Any) -> StoreLimits:
    """The oldest frames make room."""
    return StoreLimits(frames_full=FramesFull.DROP_OLDEST, **limits)


async def log(store: AtomicSessionStore, id: str = "a") -> list[int]:
    """The numbers of a log."""
    return [frame.seq for frame in await store.read_frames(id)]


async def moved(store: AtomicSessionStore) -> tuple[int, int, int, int, int | None]:
    """Added, removed, dropped, there, bytes."""
    now = await store.statistics()
    c = now.counters
    assert c is not None
    return c.frames_added, c.frames_removed, c.frames_dropped, now.frames, now.bytes


async def test_reject_is_the_default(design: Design) -> None:
    """A store never drops on its own."""
    assert StoreLimits().frames_full is FramesFull.REJECT
    async with design(limits=StoreLimits(max_frames_per_session=2)) as store:
        await store.create_session(new_session())
        await fill(store, 2)
        with pytest.raises(LimitExceeded, match="max_frames_per_session"):
            await store.add_frame(note())
        assert await log(store) == [1, 2]


async def test_the_oldest_make_room_in_number(design: Design) -> None:
    """No more than needed, of its own log alone; numbers go on."""
    async with design(limits=dropping(max_frames_per_session=3)) as store:
        for key in "ab":
            await store.create_session(new_session(key))
            await fill(store, 3, key)
        assert await store.add_frame(note(4)) == 4
        assert await store.add_frames("a", [note(5), note(6)]) == range(5, 7)
        assert (await log(store), await log(store, "b")) == ([4, 5, 6], [1, 2, 3])
        session = await store.get_session("a")
        assert (session.frame_count, session.last_seq) == (3, 6)
        size = 6 * len(note().message)
        assert await moved(store) == (9, 0, 3, 6, size)
        first = (await store.read_frames("a"))[0]
        assert first.envelope.message == note(4).message


@pytest.mark.parametrize("limit", ["max_session_bytes", "max_total_bytes"])
async def test_the_oldest_make_room_in_bytes(design: Design, limit: str) -> None:
    """It drops as many as the new frame's bytes need, and no more."""
    small, large = note(0), note(10**40)
    one, many = len(small.message), len(large.message)
    assert one < many < 2 * one
    async with design(limits=dropping(**{limit: 4 * one})) as store:
        await store.create_session(new_session())
        await store.add_frames("a", [small] * 4)
        assert await store.add_frame(large) == 5
        assert await log(store) == [3, 4, 5]
        await store.add_frame(small)  # too much by less than one of them
        assert await log(store) == [4, 5, 6]
        assert await moved(store) == (6, 0, 3, 3, 2 * one + many)
        await store.add_frames("a", [small] * 4)
        assert await log(store) == [7, 8, 9, 10]
        assert await moved(store) == (10, 0, 6, 4, 4 * one)
        await store.trim_frames("a", up_to=7)
        await store.add_frame(note(10))  # a byte more than there is room for
        assert await log(store) == [9, 10, 11]


async def test_a_long_log_is_dropped_all_at_once(
    design: Design, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many small frames make room for a large one."""
    notes = [note(10 ** (n // 8)) for n in range(200)]  # the later the larger
    sizes = [len(each.message) for each in notes]
    async with design(limits=dropping(max_session_bytes=sum(sizes))) as store:
        await store.create_session(new_session())
        await store.add_frames("a", notes)
        tables, asked = tables_of(store), list[int]()
        read = tables.read

        def reading(row: Any, first: int, count: int) -> Any:
            asked.append(first + count - 1)
            return read(row, first, count)

        monkeypatch.setattr(tables, "read", reading)
        big = note(int("9" * (sum(sizes) // 3 - 90)))
        await store.add_frames("a", [big] * 3)
        assert 64 < max(asked) <= 200  # in several looks, none beyond the end
        dropped = next(n for n in range(201) if sum(sizes[:n]) >= 3 * len(big.message))
        assert await log(store) == [*range(dropped + 1, 204)]
        await store.add_frames("a", notes)
        assert max(asked) <= 203
        assert await log(store) == [*range(204, 404)]


async def test_bytes_of_other_sessions_make_no_room(design: Design) -> None:
    """`max_total_bytes` is met by the own log or not at all, and then nothing is dropped."""
    one = len(note(0).message)
    async with design(limits=dropping(max_total_bytes=4 * one)) as store:
        for key, count in (("a", 3), ("b", 1)):
            await store.create_session(new_session(key))
            await store.add_frames(key, [note(0, key)] * count)
        with pytest.raises(LimitExceeded) as refused:
            await store.add_frames("b", [note(0, "b")] * 2)
        error = refused.value
        assert (error.limit, error.current, error.maximum) == ("max_total_bytes", 4 * one, 4 * one)
        assert (await log(store), await log(store, "b")) == ([1, 2, 3], [1])
        assert await store.add_frame(note(0, "b")) == 2
        assert (await log(store), await log(store, "b")) == ([1, 2, 3], [2])


@pytest.mark.parametrize(
    ("limit", "maximum"),
    [("max_frames_per_session", 3), ("max_session_bytes", 200), ("max_total_bytes", 200)],
)
async def test_more_than_a_whole_log_may_hold_is_refused(
    design: Design, limit: str, maximum: int
) -> None:
    """Dropping everything would not do, so nothing is dropped and nothing stored."""
    async with design(limits=dropping(**{limit: maximum})) as store:
        await store.create_session(new_session())
        await fill(store, 3)
        before = await store.get_session("a"), await moved(store)
        with pytest.raises(LimitExceeded, match=limit):
            await store.add_frames("a", [note(0)] * 5)
        assert (await store.get_session("a"), await moved(store)) == before
        assert await log(store) == [1, 2, 3]


async def test_a_change_that_is_refused_drops_nothing(design: Design) -> None:
    """New frames, dropped frames, and the change: all or none."""
    async with design(limits=dropping(max_frames_per_session=2)) as store:
        await store.create_session(new_session())
        await fill(store, 2)

        def fails(_: object) -> Any:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await store.add_frames("a", [note(3)], change=fails)
        assert (await log(store), (await moved(store))[2]) == ([1, 2], 0)


async def test_the_expected_number_is_the_last_whatever_was_dropped(design: Design) -> None:
    """`expected_last_seq` with a full log: the right one goes in, a stale one drops nothing."""
    async with design(limits=dropping(max_frames_per_session=2)) as store:
        await store.create_session(new_session())
        await fill(store, 5)
        with pytest.raises(SequenceConflict) as refused:
            await store.add_frames("a", [note(6)], expected_last_seq=2)
        assert refused.value.current == 5
        assert (await log(store), (await moved(store))[2]) == ([4, 5], 3)
        numbers = await store.add_frames("a", [note(6)], expected_last_seq=5)
        assert (numbers, await log(store)) == (range(6, 7), [5, 6])


async def test_trimming_and_dropping_count_apart(design: Design) -> None:
    """A log that was trimmed drops only as many as its limit needs."""
    async with design(limits=dropping(max_frames_per_session=4)) as store:
        await store.create_session(new_session())
        await fill(store, 4)
        assert await store.trim_frames("a", up_to=2) == 2
        await fill(store, 3)
        assert await log(store) == [4, 5, 6, 7]
        assert (await moved(store))[:4] == (7, 2, 1, 4)
        assert await store.delete_frames("a") == 4
        assert (await moved(store)) == (7, 6, 1, 0, 0)


async def test_a_watcher_sees_no_dropped_frame(design: Design) -> None:
    """It goes on with the oldest frame left: in order, none twice."""
    async with design(limits=dropping(max_frames_per_session=5)) as store:
        await store.create_session(new_session())
        await fill(store, 3)
        seen: list[int] = []

        async def watch() -> None:
            async for frame in store.watch_frames("a"):
                seen.append(frame.seq)

        quick = asyncio.create_task(watch())
        slow = store.watch_frames("a", after=1)
        assert (await anext(slow)).seq == 2
        for last in range(4, 24):
            await fill(store, 1)
            while seen[-1:] != [last]:  # in a file it reads beside the writer, in its own time
                assert not quick.done()
                await asyncio.sleep(0.001)
        late = store.watch_frames("a")
        await close_session(store)
        await quick
        assert seen == [*range(1, 24)]
        assert await read_to_end(slow) == [3, *range(19, 24)]  # 3 it had in hand already
        assert await read_to_end(late) == [*range(19, 24)]


async def test_racing_writers_never_pass_the_limit(design: Design) -> None:
    """64 of them: the last frames are there, each number was given once."""
    async with design(limits=dropping(max_frames_per_session=10)) as store:
        await store.create_session(new_session())
        seen: list[int] = []

        async def writer(n: int) -> None:
            for _ in range(5):
                seen.extend(await store.add_frames("a", [note(n)] * (1 + n % 3)))
                assert len(await store.get_frames("a")) <= 10

        await asyncio.gather(*(writer(n) for n in range(64)))
        assert sorted(seen) == [*range(1, len(seen) + 1)]
        assert await log(store) == [*range(len(seen) - 9, len(seen) + 1)]
        assert (await moved(store))[:4] == (len(seen), 0, len(seen) - 10, 10)
