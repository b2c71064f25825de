"""Watching a log: all frames that exist, then each new one, until the session ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.values.errors import SessionNotFound, StoreClosed
from sessionkeeper.values.message import Frame
from sessionkeeper.values.states import SessionState

from .kit import StoreKit
from .promise import needs
from .samples import become, new, note, numbers, turns

__all__ = ["WatchingConformance"]

MANY = 250


async def seqs(watcher: AsyncIterator[Frame]) -> list[int]:
    """Watch to the end; each frame must carry the message of its number."""
    seen: list[int] = []
    async for frame in watcher:
        assert numbers([frame.envelope]) == [frame.seq], "a frame with another one's number"
        seen.append(frame.seq)
    return seen


async def end(store: AtomicSessionStore, state: str = "closed") -> None:
    """End the session `a`."""
    await store.update_session(become(state)(await store.get_session("a")))


async def grow(store: AtomicSessionStore, first: int, last: int) -> None:
    """Append the frames of these numbers to the session `a`."""
    for n in range(first, last + 1):
        assert await store.add_frame(note(n)) == n


class WatchingConformance(StoreKit, needs={"watch_frames"}):
    async def test_all_that_is_there_then_each_new_frame(self, store: AtomicSessionStore) -> None:
        """All frames that exist, then each new one: in order, none twice, none missed."""
        await store.create_session(new())
        await grow(store, 1, 3)
        watcher = store.watch_frames("a")
        assert [(await anext(watcher)).seq for _ in range(3)] == [1, 2, 3]
        step = asyncio.ensure_future(anext(watcher))
        await turns(20)
        assert not step.done(), "it ended, or gave a frame that is not there"
        await grow(store, 4, 4)
        assert (await step).seq == 4
        await grow(store, 5, 9)
        await end(store)
        assert await seqs(watcher) == [5, 6, 7, 8, 9]

    async def test_it_begins_after_a_number(self, store: AtomicSessionStore) -> None:
        """`after`: the frames with higher numbers, including later ones."""
        await store.create_session(new())
        await grow(store, 1, 4)
        tasks = [asyncio.create_task(seqs(store.watch_frames("a", after=n))) for n in (0, 2, 4, 6)]
        await turns(10)
        await grow(store, 5, 8)
        await end(store)
        assert await asyncio.gather(*tasks) == [
            [*range(1, 9)],
            [*range(3, 9)],
            [5, 6, 7, 8],
            [7, 8],
        ]

    async def test_nothing_is_missed_in_a_race(self, store: AtomicSessionStore) -> None:
        """None twice, none missed, by many watchers, fast and slow, of a growing log."""
        await store.create_session(new())

        async def watch(pause: int) -> list[int]:
            seen: list[int] = []
            async for frame in store.watch_frames("a"):
                seen.append(frame.seq)
                if frame.seq % 10 == 0:
                    await turns(pause)
            return seen

        async def write() -> None:
            for n in range(1, MANY + 1):
                await store.add_frame(note(n))
                await turns(n % 3)
            await end(store)

        *seen, _ = await asyncio.gather(*(watch(pause) for pause in (0, 1, 40)), write())
        for each in seen:
            assert each == [*range(1, MANY + 1)], f"{len(each or [])} frames were seen of {MANY}"

    async def test_a_long_log_is_read_to_its_end(self, store: AtomicSessionStore) -> None:
        """Frames are read from the log in parts; the boundaries do not show."""
        await store.create_session(new())
        await grow(store, 1, 2 * MANY)
        watching = asyncio.create_task(seqs(store.watch_frames("a")))
        await turns(5)
        await end(store)
        assert await watching == [*range(1, 2 * MANY + 1)]

    async def test_the_sessions_end_ends_it(self, store: AtomicSessionStore) -> None:
        """It ends when the session has ended and all was yielded; no other change ends it."""
        for state in (each for each in SessionState if each.is_terminal):
            await store.create_session(new())
            watching = asyncio.create_task(seqs(store.watch_frames("a")))
            await turns(5)
            await end(store, "active")
            await turns(20)
            assert not watching.done(), "it ended before its session"
            await grow(store, 1, 2)
            await end(store, state)
            assert await watching == [1, 2]
            assert await seqs(store.watch_frames("a")) == [1, 2], "of an ended session: the rest"
            await store.delete_session("a")

    async def test_deleting_the_session_ends_it(self, store: AtomicSessionStore) -> None:
        """It ends when the session is deleted; a later session with that id is not watched."""
        for wait, made_anew in ((0, True), (10, True), (10, False)):  # about to look, or waiting
            await store.create_session(new())
            await grow(store, 1, 2)
            watcher = store.watch_frames("a")
            assert [(await anext(watcher)).seq for _ in range(2)] == [1, 2]
            rest = asyncio.create_task(seqs(watcher))
            await turns(wait)
            await store.delete_session("a")
            if made_anew:
                await store.create_session(new())
                await grow(store, 1, 4)
            assert await rest == [], "a frame of another session was shown"
            if made_anew:
                await store.delete_session("a")

    async def test_a_cancelled_step_loses_nothing(self, store: AtomicSessionStore) -> None:
        """A cancelled step loses nothing; the next one goes on."""
        await store.create_session(new())
        watcher = store.watch_frames("a")
        seen: list[int] = []
        for n in range(1, 31):
            step = asyncio.ensure_future(anext(watcher))
            await turns(n % 7)
            await store.add_frame(note(n))
            await turns(n % 5)
            step.cancel()
            await asyncio.wait({step})
            if not step.cancelled():
                seen.append(step.result().seq)
        await end(store)
        seen += await seqs(watcher)
        assert seen == [*range(1, 31)]

    async def test_two_readers_of_one_watcher_share_it(self, store: AtomicSessionStore) -> None:
        """None twice, none missed, also when two tasks share a watcher."""
        await store.create_session(new())
        watcher = store.watch_frames("a")
        seen: list[int] = []

        async def read() -> None:
            async for frame in watcher:
                seen.append(frame.seq)

        reading = asyncio.gather(read(), read(), read())
        for n in range(1, 31):
            await store.add_frame(note(n))
            await turns(n % 4)
        await end(store)
        await reading
        assert sorted(seen) == [*range(1, 31)], f"{len(seen)} frames were seen of 30"

    async def test_leaving_it_ends_a_step_that_waits(self, store: AtomicSessionStore) -> None:
        """`aclose` ends a watcher at any time, also while another task waits in a step."""
        await store.create_session(new())
        watcher = store.watch_frames("a")
        waiting = asyncio.create_task(seqs(watcher))
        await turns(10)
        await watcher.aclose()
        assert await waiting == []
        async with store.watch_frames("a") as other:
            await grow(store, 1, 2)
            assert (await anext(other)).seq == 1
        with pytest.raises(StopAsyncIteration):
            await anext(other)
        assert await store.count_frames("a") == 2

    @needs("trim_frames")
    async def test_frames_trimmed_before_watching_are_not_seen(
        self, store: AtomicSessionStore
    ) -> None:
        """A frame that is trimmed before it was read is skipped; the rest is seen."""
        await store.create_session(new())
        await grow(store, 1, 5)
        await store.trim_frames("a", up_to=3)
        watcher = store.watch_frames("a")
        assert (await anext(watcher)).seq == 4
        await store.delete_frames("a")
        await grow(store, 6, 7)
        await end(store)
        rest = await seqs(watcher)
        assert rest in ([6, 7], [5, 6, 7]), rest

    async def test_an_unknown_session_cannot_be_watched(self, store: AtomicSessionStore) -> None:
        """The first step raises `SessionNotFound`."""
        with pytest.raises(SessionNotFound):
            await anext(store.watch_frames("a"))

    async def test_closing_the_store_ends_every_watcher(self, store: AtomicSessionStore) -> None:
        """A watcher of a closed store raises `StoreClosed`: no reader waits forever."""
        await store.create_session(new())
        waiting = asyncio.create_task(seqs(store.watch_frames("a")))
        await turns(10)
        await store.aclose()
        if store.is_open:
            waiting.cancel()
            pytest.skip("this store has nothing to close")
        with pytest.raises(StoreClosed):
            await waiting
        with pytest.raises(StoreClosed):
            await anext(store.watch_frames("a"))
