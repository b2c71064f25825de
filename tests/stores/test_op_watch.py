"""`watch_frames(id, *, after=0)`: all that is there, then each new frame (Guarantees 10.1)."""

from __future__ import annotations

import asyncio

import pytest
from sessionkeeper import ActorSessionStore, AtomicSessionStore, SessionNotFound
from sessionkeeper.stores.facade import WATCHED_AT_ONCE

from tests.support.sessions import close_session, fill, new_session, note, read_to_end, settle
from tests.support.stores import wakeups_of

owned_too = pytest.mark.parametrize("design", ["actor", "plain", "locked", "owned"], indirect=True)
"""With the owner around ten methods."""


@owned_too
async def test_all_that_is_there_then_each_new_one(store: AtomicSessionStore) -> None:
    """In order; a step waits for the next frame and gets it."""
    await store.create_session(new_session())
    await fill(store, 3)
    watcher = store.watch_frames("a")
    assert [(await anext(watcher)).seq for _ in range(3)] == [1, 2, 3]
    step = asyncio.ensure_future(anext(watcher))
    await settle(store)
    assert not step.done()
    await fill(store, 1)
    assert (await step) == (await store.read_frames("a", after=3))[0]
    await watcher.aclose()


@pytest.mark.parametrize("after", [0, 1, 5, 99, 100, 101, 250])
@owned_too
async def test_watching_begins_after_a_number(store: AtomicSessionStore, after: int) -> None:
    """`after` as in `read_frames`; a number that is not there yet is waited for."""
    await store.create_session(new_session())
    await fill(store, 150)
    task = asyncio.create_task(read_to_end(store.watch_frames("a", after=after)))
    await settle(store)
    await fill(store, 150)
    await close_session(store)
    assert await task == [*range(after + 1, 301)]


async def test_a_watcher_of_an_empty_session_waits(store: AtomicSessionStore) -> None:
    """A batch comes whole and in order; one of no frames is no news."""
    await store.create_session(new_session())
    task = asyncio.create_task(read_to_end(store.watch_frames("a")))
    await settle(store)
    await store.add_frames("a", [])
    await store.touch_session("a")
    await settle(store)
    assert not task.done()
    await store.add_frames("a", [note(n) for n in range(1, 251)])
    await close_session(store)
    assert await task == [*range(1, 251)]


@owned_too
async def test_none_twice_none_missed_under_64_racing_writers(store: AtomicSessionStore) -> None:
    """Each of several watchers, begun at different times, sees every frame of the log once."""
    await store.create_session(new_session())

    async def write(writer: int) -> None:
        for n in range(20):
            await store.add_frame(note(writer * 20 + n))
            for _ in range(writer % 3):
                await asyncio.sleep(0)

    async def watch(after: int) -> list[tuple[int, bytes]]:
        for _ in range(after):
            await asyncio.sleep(0)
        return [(f.seq, f.envelope.message) async for f in store.watch_frames("a", after=after)]

    watchers = [asyncio.create_task(watch(after)) for after in (0, 0, 3, 50)]
    await asyncio.gather(*(write(writer) for writer in range(64)))
    await close_session(store)
    log = [
        (frame.seq, frame.envelope.message) for frame in await store.read_frames("a", limit=2000)
    ]
    assert len({message for _, message in log}) == len(log) == 64 * 20
    assert await asyncio.gather(*watchers) == [log, log, log[3:], log[50:]]


@owned_too
async def test_watching_an_unknown_session_fails_at_the_first_step(
    store: AtomicSessionStore,
) -> None:
    """`SessionNotFound`, and the watching is over."""
    watcher = store.watch_frames("nobody")
    for _ in range(2):
        with pytest.raises(SessionNotFound):
            await anext(watcher)
    assert len(wakeups_of(store)) == 0


@owned_too
async def test_a_slow_reader_delays_nobody_and_uses_bounded_memory(
    store: AtomicSessionStore,
) -> None:
    """No unbounded queue: it reads from the log, a bounded number at a time."""
    await store.create_session(new_session())
    watcher = store.watch_frames("a")
    await fill(store, 1)
    assert (await anext(watcher)).seq == 1
    await fill(store, 2_000)
    assert (await anext(watcher)).seq == 2
    assert len(watcher._ready) == WATCHED_AT_ONCE - 1
    await close_session(store)
    assert await read_to_end(watcher) == [*range(3, 2_002)]


async def test_trimming_under_a_watcher(store: AtomicSessionStore) -> None:
    """Frames trimmed before they were read are skipped; the rest comes once, in order."""
    await store.create_session(new_session())
    await fill(store, 5)
    watcher = store.watch_frames("a")
    assert (await anext(watcher)).seq == 1
    await fill(store, 500)
    await store.trim_frames("a", up_to=400)
    seen = [(await anext(watcher)).seq for _ in range(10)]
    assert seen == [2, 3, 4, 5, *range(401, 407)]
    await store.delete_frames("a")
    await close_session(store)
    rest = await read_to_end(watcher)
    assert rest == [*range(407, 407 + len(rest))]
    assert len(rest) < WATCHED_AT_ONCE


@owned_too
async def test_watching_is_no_activity(store: AtomicSessionStore) -> None:
    """Looking keeps nothing alive and changes nothing."""
    session = await store.create_session(new_session())
    task = asyncio.create_task(read_to_end(store.watch_frames("a")))
    await settle(store)
    assert await store.get_session("a") == session
    await store.delete_session("a")
    assert await task == []


async def test_watchers_wait_in_order_for_a_full_mailbox() -> None:
    """They ask as everyone does, and all are served."""
    async with ActorSessionStore(capacity=2) as store:
        await store.create_session(new_session())
        tasks = [asyncio.create_task(read_to_end(store.watch_frames("a"))) for _ in range(20)]
        await fill(store, 50)
        await close_session(store)
        assert await asyncio.gather(*tasks) == [[*range(1, 51)]] * 20
