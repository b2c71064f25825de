"""Many watchers, and watchers that leave: nobody misses anything, nothing stays behind."""

from __future__ import annotations

import asyncio

import pytest
from sessionkeeper import AtomicSessionStore

from tests.support.sessions import (
    close_session,
    fill,
    new_session,
    note,
    read_to_end,
    settle,
    turns,
)
from tests.support.stores import wakeups_of

owned_too = pytest.mark.parametrize("design", ["actor", "plain", "locked", "owned"], indirect=True)
"""With the owner around ten methods."""


@owned_too
async def test_a_thousand_watchers_of_one_session(store: AtomicSessionStore) -> None:
    """All see all of it, and leave no wake-up behind."""
    await store.create_session(new_session())
    tasks = [asyncio.create_task(read_to_end(store.watch_frames("a"))) for _ in range(1_000)]
    await settle(store)
    assert len(wakeups_of(store)) == 1_000
    await fill(store, 5)
    await close_session(store)
    assert await asyncio.gather(*tasks) == [[1, 2, 3, 4, 5]] * 1_000
    assert len(wakeups_of(store)) == 0


@owned_too
async def test_a_thousand_sessions_with_a_watcher_each(store: AtomicSessionStore) -> None:
    """Each sees its own, and only its own wakes it."""
    keys = [f"s{n}" for n in range(1_000)]
    for key in keys:
        await store.create_session(new_session(key))
    tasks = [asyncio.create_task(read_to_end(store.watch_frames(key))) for key in keys]
    await settle(store)
    for key in keys:
        await fill(store, 2, key)
    for key in keys[::2]:
        await close_session(store, key)
    assert await asyncio.gather(*tasks[::2]) == [[1, 2]] * 500
    assert len(wakeups_of(store)) == 500
    assert not any(task.done() for task in tasks[1::2])
    for key in keys[1::2]:
        await store.delete_session(key)
    assert await asyncio.gather(*tasks[1::2]) == [[1, 2]] * 500
    assert len(wakeups_of(store)) == 0


@owned_too
async def test_a_writer_wakes_only_those_who_watch_its_session(store: AtomicSessionStore) -> None:
    """O(its watchers): watchers of other sessions are not woken."""
    for key in "ab":
        await store.create_session(new_session(key))
    with wakeups_of(store).subscribe("a") as mine, wakeups_of(store).subscribe("b") as other:
        await fill(store, 1, "a")
        assert (mine.is_set(), other.is_set()) == (True, False)


@owned_too
async def test_a_cancelled_watcher_leaves_no_wake_up_behind(store: AtomicSessionStore) -> None:
    """While it waits, and before its first step."""
    await store.create_session(new_session())
    waiting = asyncio.create_task(read_to_end(store.watch_frames("a")))
    await settle(store)
    assert len(wakeups_of(store)) == 1
    early = asyncio.create_task(read_to_end(store.watch_frames("a")))
    for task in (waiting, early):
        task.cancel()
    await asyncio.wait({waiting, early})
    assert waiting.cancelled()
    assert early.cancelled()
    assert len(wakeups_of(store)) == 0
    assert wakeups_of(store)._wakeups == {}
    assert await store.add_frame(note(1)) == 1


@owned_too
async def test_a_watcher_that_stops_early_leaves_no_wake_up_behind(
    store: AtomicSessionStore,
) -> None:
    """Between its steps a watcher holds nothing of the store, closed or not."""
    await store.create_session(new_session())
    await fill(store, 5)
    async for frame in store.watch_frames("a"):
        if frame.seq == 3:
            break
    assert len(wakeups_of(store)) == 0
    async with store.watch_frames("a") as watcher:
        assert (await anext(watcher)).seq == 1
    with pytest.raises(StopAsyncIteration):
        await anext(watcher)
    await watcher.aclose()


@owned_too
async def test_closing_a_watcher_ends_the_step_somebody_waits_in(store: AtomicSessionStore) -> None:
    """It ends as if the session had ended; other watchers stay."""
    await store.create_session(new_session())
    watcher, other = store.watch_frames("a"), store.watch_frames("a")
    step, stays = asyncio.ensure_future(anext(watcher)), asyncio.ensure_future(anext(other))
    await settle(store)
    await watcher.aclose()
    with pytest.raises(StopAsyncIteration):
        await step
    await fill(store, 1)
    assert (await stays).seq == 1
    assert len(wakeups_of(store)) == 0


@owned_too
async def test_two_tasks_that_share_a_watcher_get_each_frame_once(
    store: AtomicSessionStore,
) -> None:
    """Between them all, none twice."""
    await store.create_session(new_session())
    watcher = store.watch_frames("a")
    tasks = [asyncio.create_task(read_to_end(watcher)) for _ in range(3)]
    for _ in range(30):
        await turns(1)
        await fill(store, 1)
    await close_session(store)
    seen = await asyncio.gather(*tasks)
    assert sorted(seq for part in seen for seq in part) == [*range(1, 31)]
    assert len(wakeups_of(store)) == 0


@owned_too
async def test_a_watcher_that_never_started_leaves_no_wake_up_behind(
    store: AtomicSessionStore,
) -> None:
    """Nothing happens before the first step."""
    await store.create_session(new_session())
    watcher = store.watch_frames("a")
    assert len(wakeups_of(store)) == 0
    await watcher.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(watcher)


@owned_too
async def test_no_wake_up_is_lost_when_one_is_cancelled(store: AtomicSessionStore) -> None:
    """Cancelled in the very turn it is woken, it takes nothing from the others (cpython#112202)."""
    await store.create_session(new_session())
    watchers = [asyncio.create_task(read_to_end(store.watch_frames("a"))) for _ in range(9)]
    for turn in range(1, 9):
        await turns(turn)
        await fill(store, 1)
        watchers[turn].cancel()
    await settle(store)
    assert len(wakeups_of(store)) == 1
    await close_session(store)
    assert await watchers[0] == [*range(1, 9)]


@owned_too
async def test_a_cancelled_step_loses_nothing(store: AtomicSessionStore) -> None:
    """The next step of the same watcher goes on where it was, whenever it was cancelled."""
    await store.create_session(new_session())
    seen = 0

    async def write() -> None:
        for n in range(1, 101):
            await store.add_frame(note(n))
            await asyncio.sleep(0)

    writing = asyncio.create_task(write())
    watcher = store.watch_frames("a")
    cancelled = patience = 0
    while seen < 100:
        step = asyncio.ensure_future(anext(watcher))
        await turns((seen + cancelled) % 7 + patience)
        step.cancel()
        await asyncio.wait({step})
        if step.cancelled():
            cancelled += 1
            patience += 1  # a look takes its time where the store is slow
            continue
        patience = 0
        seen += 1
        assert step.result().seq == seen
    await writing
    assert cancelled > 9
    assert len(wakeups_of(store)) == 0


@owned_too
async def test_watchers_leave_nothing_behind(store: AtomicSessionStore) -> None:
    """Cancelled at any moment, among writers."""
    await store.create_session(new_session())
    for moment in range(30):
        watchers = [asyncio.create_task(read_to_end(store.watch_frames("a"))) for _ in range(5)]
        writing = asyncio.create_task(fill(store, 3))
        await turns(moment)
        for watcher in watchers:
            watcher.cancel()
        await asyncio.wait(watchers)
        await writing
        assert len(wakeups_of(store)) == 0
    assert await store.count_frames("a") == 90
