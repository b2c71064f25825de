"""Many watchers, and watchers that leave: nobody misses anything, nothing stays behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sessionkeeper import AtomicSessionStore

if TYPE_CHECKING:
    from tests.stores.conftest import Desk

owned_too = pytest.mark.parametrize("design", ["actor", "plain", "locked", "owned"], indirect=True)
"""With the owner around ten methods."""


@owned_too
async def test_a_thousand_watchers_of_one_session(store: AtomicSessionStore, desk: Desk) -> None:
    """All see all of it, and leave no bell."""
    await store.create_session(desk.session())
    tasks = [asyncio.create_task(desk.seqs(store.watch_frames("a"))) for _ in range(1_000)]
    await desk.looked(store)
    assert len(desk.wakeups(store)) == 1_000
    await desk.fill(store, 5)
    await desk.close(store)
    assert await asyncio.gather(*tasks) == [[1, 2, 3, 4, 5]] * 1_000
    assert len(desk.wakeups(store)) == 0


@owned_too
async def test_a_thousand_sessions_with_a_watcher_each(
    store: AtomicSessionStore, desk: Desk
) -> None:
    """Each sees its own, and only its own wakes it."""
    keys = [f"s{n}" for n in range(1_000)]
    for key in keys:
        await store.create_session(desk.session(key))
    tasks = [asyncio.create_task(desk.seqs(store.watch_frames(key))) for key in keys]
    await desk.looked(store)
    for key in keys:
        await desk.fill(store, 2, key)
    for key in keys[::2]:
        await desk.close(store, key)
    assert await asyncio.gather(*tasks[::2]) == [[1, 2]] * 500
    assert len(desk.wakeups(store)) == 500
    assert not any(task.done() for task in tasks[1::2])
    for key in keys[1::2]:
        await store.delete_session(key)
    assert await asyncio.gather(*tasks[1::2]) == [[1, 2]] * 500
    assert len(desk.wakeups(store)) == 0


@owned_too
async def test_a_writer_wakes_only_those_who_watch_its_session(
    store: AtomicSessionStore, desk: Desk
) -> None:
    """O(its watchers): the bells of others stay silent."""
    for key in "ab":
        await store.create_session(desk.session(key))
    with desk.wakeups(store).subscribe("a") as mine, desk.wakeups(store).subscribe("b") as other:
        await desk.fill(store, 1, "a")
        assert (mine.is_set(), other.is_set()) == (True, False)


@owned_too
async def test_a_cancelled_watcher_leaves_no_bell(store: AtomicSessionStore, desk: Desk) -> None:
    """While it waits, and before its first step."""
    await store.create_session(desk.session())
    waiting = asyncio.create_task(desk.seqs(store.watch_frames("a")))
    await desk.looked(store)
    assert len(desk.wakeups(store)) == 1
    early = asyncio.create_task(desk.seqs(store.watch_frames("a")))
    for task in (waiting, early):
        task.cancel()
    await asyncio.wait({waiting, early})
    assert waiting.cancelled()
    assert early.cancelled()
    assert len(desk.wakeups(store)) == 0
    assert desk.wakeups(store)._wakeups == {}
    assert await store.add_frame(desk.note(1)) == 1


@owned_too
async def test_a_watcher_that_breaks_off_leaves_no_bell(
    store: AtomicSessionStore, desk: Desk
) -> None:
    """Between its steps a watcher holds nothing of the store, closed or not."""
    await store.create_session(desk.session())
    await desk.fill(store, 5)
    async for frame in store.watch_frames("a"):
        if frame.seq == 3:
            break
    assert len(desk.wakeups(store)) == 0
    async with store.watch_frames("a") as watcher:
        assert (await anext(watcher)).seq == 1
    with pytest.raises(StopAsyncIteration):
        await anext(watcher)
    await watcher.aclose()


@owned_too
async def test_closing_a_watcher_ends_the_step_somebody_waits_in(
    store: AtomicSessionStore, desk: Desk
) -> None:
    """As if the session had ended; other watchers of it stay."""
    await store.create_session(desk.session())
    watcher, other = store.watch_frames("a"), store.watch_frames("a")
    step, stays = asyncio.ensure_future(anext(watcher)), asyncio.ensure_future(anext(other))
    await desk.looked(store)
    await watcher.aclose()
    with pytest.raises(StopAsyncIteration):
        await step
    await desk.fill(store, 1)
    assert (await stays).seq == 1
    assert len(desk.wakeups(store)) == 0


@owned_too
async def test_two_tasks_that_share_a_watcher_get_each_frame_once(
    store: AtomicSessionStore, desk: Desk
) -> None:
    """Between them all, none twice."""
    await store.create_session(desk.session())
    watcher = store.watch_frames("a")
    tasks = [asyncio.create_task(desk.seqs(watcher)) for _ in range(3)]
    for _ in range(30):
        await desk.turns(1)
        await desk.fill(store, 1)
    await desk.close(store)
    seen = await asyncio.gather(*tasks)
    assert sorted(seq for part in seen for seq in part) == [*range(1, 31)]
    assert len(desk.wakeups(store)) == 0


@owned_too
async def test_a_watcher_never_begun_hangs_up_no_bell(
    store: AtomicSessionStore, desk: Desk
) -> None:
    """Nothing happens before the first step."""
    await store.create_session(desk.session())
    watcher = store.watch_frames("a")
    assert len(desk.wakeups(store)) == 0
    await watcher.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(watcher)


@owned_too
async def test_no_wake_up_is_lost_when_one_is_cancelled(
    store: AtomicSessionStore, desk: Desk
) -> None:
    """Cancelled in the very turn it is woken, it takes nothing from the others (cpython#112202)."""
    await store.create_session(desk.session())
    watchers = [asyncio.create_task(desk.seqs(store.watch_frames("a"))) for _ in range(9)]
    for turn in range(1, 9):
        await desk.turns(turn)
        await desk.fill(store, 1)
        watchers[turn].cancel()
    await desk.looked(store)
    assert len(desk.wakeups(store)) == 1
    await desk.close(store)
    assert await watchers[0] == [*range(1, 9)]


@owned_too
async def test_a_cancelled_step_loses_nothing(store: AtomicSessionStore, desk: Desk) -> None:
    """The next step of the same watcher goes on where it was, whenever it was cancelled."""
    await store.create_session(desk.session())
    seen = 0

    async def write() -> None:
        for n in range(1, 101):
            await store.add_frame(desk.note(n))
            await asyncio.sleep(0)

    writing = asyncio.create_task(write())
    watcher = store.watch_frames("a")
    cancelled = patience = 0
    while seen < 100:
        step = asyncio.ensure_future(anext(watcher))
        await desk.turns((seen + cancelled) % 7 + patience)
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
    assert len(desk.wakeups(store)) == 0


@owned_too
async def test_watchers_that_come_and_go_leave_nothing(
    store: AtomicSessionStore, desk: Desk
) -> None:
    """Cancelled at any moment, among writers."""
    await store.create_session(desk.session())
    for moment in range(30):
        watchers = [asyncio.create_task(desk.seqs(store.watch_frames("a"))) for _ in range(5)]
        writing = asyncio.create_task(desk.fill(store, 3))
        await desk.turns(moment)
        for watcher in watchers:
            watcher.cancel()
        await asyncio.wait(watchers)
        await writing
        assert len(desk.wakeups(store)) == 0
    assert await store.count_frames("a") == 90
