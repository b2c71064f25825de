"""Waking all watchers that wait for frames, even if some of them leave meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sessionkeeper.interface.atomic_store import AtomicSessionStore

from .kit import StoreKit
from .promise import skip_what_is_refused
from .samples import become, new, note, turns

__all__ = ["WakingConformance"]

WATCHERS = 4
MANY = 33


class Reader:
    """A watcher, and a task that reads it until it ends or the reader leaves."""

    def __init__(self, store: AtomicSessionStore, key: str) -> None:
        self.watcher = store.watch_frames(key)
        self.seen: list[int] = []
        self._news = asyncio.Event()
        self._deadline = asyncio.timeout(None)
        self._task = asyncio.create_task(self._read())

    async def until(self, seq: int) -> None:
        """Wait until the frame of this number was read. Raises what the watcher raises."""
        while seq not in self.seen:
            self._news.clear()
            news = asyncio.ensure_future(self._news.wait())
            await asyncio.wait({news, self._task}, return_when=asyncio.FIRST_COMPLETED)
            news.cancel()
            if self._task.done():
                assert seq in await self._task, f"it ended without frame {seq}"

    async def end(self) -> list[int]:
        """Wait until the watcher has ended; return what was read."""
        return await self._task

    async def leave(self, way: str) -> None:
        """End the task; all ways but `closed` leave the watcher as it is."""
        if way == "cancelled":
            self._task.cancel()
        elif way == "closed":
            await self.watcher.aclose()
        else:
            self._deadline.reschedule(asyncio.get_running_loop().time())

    async def gone(self) -> None:
        """Wait until the task has left."""
        await asyncio.wait({self._task})
        if not self._task.cancelled() and (error := self._task.exception()) is not None:
            assert isinstance(error, TimeoutError), f"leaving it raised {error!r}"

    async def _read(self) -> list[int]:
        async with self._deadline:
            async for frame in self.watcher:
                self.seen.append(frame.seq)
                self._news.set()
        return self.seen


async def _update(store: AtomicSessionStore, key: str) -> None:
    await store.update_session(become("closed")(await store.get_session(key)))


async def _update_batch(store: AtomicSessionStore, key: str) -> None:
    await store.update_sessions_batch([become("closed")(await store.get_session(key))])


ENDS: dict[str, Callable[[AtomicSessionStore, str], Awaitable[object]]] = {
    "update_session": _update,
    "delete_session": lambda s, key: s.delete_session(key),
    "update_sessions_batch": _update_batch,
    "modify_session": lambda s, key: s.modify_session(key, become("failed")),
    "add_frames": lambda s, key: s.add_frames(key, [], change=become("closed")),
    "expire_sessions": lambda s, _: s.expire_sessions(idle=0),
}
"""By method: each way in which a session ends."""


class WakingConformance(StoreKit, needs={"watch_frames"}):
    async def test_every_waiting_watcher_is_woken(self, store: AtomicSessionStore) -> None:
        """Each new frame reaches every watcher of its session, however many wait."""
        await store.create_session(new())
        readers = [Reader(store, "a") for _ in range(MANY)]
        for n in (1, 2, 3):
            await turns(20)
            await store.add_frame(note(n))
            await asyncio.gather(*(reader.until(n) for reader in readers))

    @pytest.mark.parametrize("method", ENDS)
    async def test_every_end_reaches_those_who_wait(
        self, store: AtomicSessionStore, method: str
    ) -> None:
        """It ends when the session ends or is deleted, whichever method ends it."""
        skip_what_is_refused(self, {method})
        await store.create_session(new())
        await store.add_frame(note(1))
        readers = [Reader(store, "a") for _ in range(WATCHERS)]
        await asyncio.gather(*(reader.until(1) for reader in readers))
        await turns(20)
        await ENDS[method](store, "a")
        assert await asyncio.gather(*(reader.end() for reader in readers)) == [[1]] * WATCHERS

    @pytest.mark.parametrize("way", ["cancelled", "closed", "timed out"])
    async def test_a_watcher_that_leaves_takes_no_wake_up_along(
        self, store: AtomicSessionStore, way: str
    ) -> None:
        """None missed: others are woken also if a watcher beside them has left, at any moment."""
        await store.create_session(new("other"))
        apart = Reader(store, "other")
        moments = [(place, wait) for place in (0, WATCHERS - 1) for wait in (-2, -1, 0, 1, 2, 5)]
        for n, (place, wait) in enumerate(moments, 1):
            key = f"s{n}"
            await store.create_session(new(key))
            readers = [Reader(store, key) for _ in range(WATCHERS)]
            await turns(20)
            leaving = readers.pop(place)
            if wait < 0:
                await leaving.leave(way)
                await turns(-wait)
            adding = asyncio.ensure_future(store.add_frame(note(1, key)))
            if wait >= 0:
                await turns(wait)
                await leaving.leave(way)
            assert await adding == 1
            await asyncio.gather(*(reader.until(1) for reader in readers))
            await leaving.gone()
            await self._goes_on(store, key, readers)
            await store.add_frame(note(n, "other"))
            await apart.until(n)

    async def test_all_but_one_may_leave(self, store: AtomicSessionStore) -> None:
        """The last watcher that still waits is woken."""
        await store.create_session(new())
        readers = [Reader(store, "a") for _ in range(MANY)]
        await turns(20)
        for n, reader in enumerate(readers[1:]):
            await reader.leave(("cancelled", "closed", "timed out")[n % 3])
        await asyncio.gather(*(reader.gone() for reader in readers[1:]))
        await self._goes_on(store, "a", readers[:1], 1)

    async def _goes_on(
        self, store: AtomicSessionStore, key: str, readers: list[Reader], seq: int = 2
    ) -> None:
        """Those who stayed see the next frame, and then the end."""
        await turns(20)
        await store.add_frame(note(seq, key))
        await asyncio.gather(*(reader.until(seq) for reader in readers))
        await _update(store, key)
        for reader in readers:
            assert await reader.end() == [*range(1, seq + 1)]
