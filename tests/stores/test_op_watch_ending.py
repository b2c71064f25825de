"""The ends of a watcher: its session ends or is deleted, or its store ends."""

from __future__ import annotations

import asyncio
import logging

import pytest
from sessionkeeper import ActorSessionStore, AtomicSessionStore, SessionState, StoreClosed

from tests.support.sessions import (
    FakeClock,
    close_session,
    fill,
    new_session,
    note,
    read_to_end,
    settle,
    turns,
)
from tests.support.stores import Design, tables_of, wakeups_of

owned_too = pytest.mark.parametrize("design", ["actor", "plain", "locked", "owned"], indirect=True)
"""With the owner around ten methods."""


@pytest.mark.parametrize("state", ["closed", "failed", "timed-out"])
@owned_too
async def test_the_sessions_end_ends_it(store: AtomicSessionStore, state: str) -> None:
    """After all was yielded, the frame of the very step that ended it too."""
    await store.create_session(new_session())
    task = asyncio.create_task(read_to_end(store.watch_frames("a")))
    await fill(store, 3)
    await settle(store)
    assert not task.done()
    ended = {"state": SessionState(state)}
    await store.add_frames("a", [note(4)], change=lambda s: s.model_copy(update=ended))
    assert await task == [1, 2, 3, 4]
    assert len(wakeups_of(store)) == 0


@owned_too
async def test_an_update_that_ends_a_session_ends_it(store: AtomicSessionStore) -> None:
    """However it ends; a change that does not end it does not."""
    session = await store.create_session(new_session())
    task = asyncio.create_task(read_to_end(store.watch_frames("a")))
    session = await store.update_session(session.model_copy(update={"state": "active"}))
    await settle(store)
    assert not task.done()
    await store.update_sessions_batch([session.model_copy(update={"state": "failed"})])
    assert await task == []


@owned_too
async def test_a_watcher_ends_when_its_session_expires(design: Design) -> None:
    """A watcher keeps no session alive, and learns that it ended."""
    clock = FakeClock()
    async with design(clock=clock.as_clock()) as store:
        await store.create_session(new_session())
        await fill(store, 2)
        task = asyncio.create_task(read_to_end(store.watch_frames("a")))
        await settle(store)
        clock.advance(10)
        assert len(await store.expire_sessions(idle=10)) == 1
        assert await task == [1, 2]


@owned_too
async def test_an_ended_session_yields_the_rest_and_ends(store: AtomicSessionStore) -> None:
    """Nothing more will come, so nothing is waited for."""
    await store.create_session(new_session())
    await fill(store, 205)
    await close_session(store)
    assert await read_to_end(store.watch_frames("a")) == [*range(1, 206)]
    assert await read_to_end(store.watch_frames("a", after=203)) == [204, 205]
    assert await read_to_end(store.watch_frames("a", after=500)) == []
    await store.create_session(new_session("b", state="closed"))
    assert await read_to_end(store.watch_frames("b")) == []


@owned_too
async def test_deleting_the_session_ends_it(store: AtomicSessionStore) -> None:
    """Its frames are gone; there is nothing to wait for."""
    await store.create_session(new_session())
    await fill(store, 2)
    task = asyncio.create_task(read_to_end(store.watch_frames("a")))
    await settle(store)
    await store.delete_session("a")
    assert await task == [1, 2]
    assert len(wakeups_of(store)) == 0


@owned_too
async def test_purging_the_session_ends_it(store: AtomicSessionStore) -> None:
    """One that is still reading when its session goes ends as well, in the middle."""
    await store.create_session(new_session())
    await fill(store, 300)
    watcher = store.watch_frames("a")
    assert (await anext(watcher)).seq == 1
    ended = (await close_session(store)).ended_at
    assert ended is not None
    assert await store.purge_sessions(ended_before=ended.replace(year=ended.year + 1)) == 1
    rest = await read_to_end(watcher)
    assert rest == [*range(2, 2 + len(rest))]
    assert len(rest) < 300


@owned_too
async def test_another_session_of_the_same_id_is_not_watched(store: AtomicSessionStore) -> None:
    """Deleted and created anew before the watcher looks: it ends and shows none of the new."""
    await store.create_session(new_session())
    await fill(store, 2)
    old = asyncio.create_task(read_to_end(store.watch_frames("a")))
    await settle(store)
    calls = [store.delete_session("a"), store.create_session(new_session())]
    await asyncio.gather(*calls, *(store.add_frame(note(n)) for n in range(1, 5)))
    new = asyncio.create_task(read_to_end(store.watch_frames("a")))
    assert await old == [1, 2]
    await close_session(store)
    assert await new == [1, 2, 3, 4]
    assert len(wakeups_of(store)) == 0


async def test_closing_the_store_ends_every_watcher() -> None:
    """`StoreClosed`, for one that waits, one that is about to and one that comes too late."""
    async with ActorSessionStore() as store:
        await store.create_session(new_session())
        await store.create_session(new_session("b"))
        await fill(store, 1)
        reading = store.watch_frames("a")
        await anext(reading)
        tasks = [asyncio.create_task(read_to_end(store.watch_frames(key))) for key in "aab"]
        await settle(store)
        late = asyncio.create_task(read_to_end(store.watch_frames("a")))
        await asyncio.sleep(0)
    for task in (*tasks, late, asyncio.ensure_future(anext(reading))):
        with pytest.raises(StoreClosed):
            await task
    with pytest.raises(StoreClosed):
        await anext(store.watch_frames("a"))
    assert len(wakeups_of(store)) == 0


async def test_closing_with_a_deadline_ends_every_watcher() -> None:
    """The owner is cancelled then, and tells them all the same."""
    store = await ActorSessionStore().open()
    await store.create_session(new_session())
    tasks = [asyncio.create_task(read_to_end(store.watch_frames("a"))) for _ in range(3)]
    await settle(store)
    adding = asyncio.gather(*(store.add_frame(note(n)) for n in range(9)))
    adding.add_done_callback(lambda future: future.exception())
    await store.aclose(timeout=0)
    for task in tasks:
        with pytest.raises(StoreClosed):
            await task
    assert len(wakeups_of(store)) == 0
    await asyncio.wait({adding})


async def test_a_crash_of_the_owner_ends_every_watcher(caplog: pytest.LogCaptureFixture) -> None:
    """No watcher waits forever; the cause is the crash."""
    async with ActorSessionStore() as store:
        await store.create_session(new_session())
        tasks = [asyncio.create_task(read_to_end(store.watch_frames("a"))) for _ in range(3)]
        await settle(store)
        tables_of(store)._rows = None  # type: ignore[assignment]  # broken on purpose
        with caplog.at_level(logging.CRITICAL), pytest.raises(StoreClosed):
            await store.get_session("a")
        for task in tasks:
            with pytest.raises(StoreClosed) as told:
                await task
            assert told.value.__cause__ is not None
        assert len(wakeups_of(store)) == 0


async def test_a_reader_during_closing_gets_store_closed() -> None:
    """Its last look is answered while the store closes; it is woken after it stopped waiting."""
    for moment in range(12):
        store = await ActorSessionStore().open()
        await store.create_session(new_session())
        task = asyncio.create_task(read_to_end(store.watch_frames("a")))
        await turns(moment)
        await store.aclose()
        with pytest.raises(StoreClosed):
            await task
        assert len(wakeups_of(store)) == 0
