"""Removing frames and sessions while others write: what goes is what was there, and no more."""

from __future__ import annotations

import asyncio

from sessionkeeper.interface.atomic_store import AtomicSessionStore
from sessionkeeper.interface.session_store import SessionStore
from sessionkeeper.values.errors import SessionExists, SessionNotFound

from .kit import StoreKit
from .promise import needs
from .samples import new, note, numbers, turns

__all__ = ["RemovingConformance", "TrimmingConformance"]

WAITS = range(8)
"""For how many turns of the loop the others wait after the removal was called."""
LATER = 20
"""Turns after the answer: nothing more may go by then."""


async def filled(store: SessionStore, key: str) -> None:
    """A session with three frames."""
    await store.create_session(new(key))
    for n in (1, 2, 3):
        await store.add_frame(note(n, key))


async def grow(store: SessionStore, key: str) -> None:
    """Append the frames 4 to 6."""
    for n in (4, 5, 6):
        assert await store.add_frame(note(n, key)) == n


class RemovingConformance(StoreKit, level="operation"):
    async def test_a_clear_drops_no_later_frame(self, store: SessionStore) -> None:
        """`delete_frames`: what is there in its step, as many as it says; later frames stay."""
        for wait in WAITS:
            key = f"s{wait}"
            await filled(store, key)
            clearing = asyncio.ensure_future(store.delete_frames(key))
            await turns(wait)
            await grow(store, key)
            cleared = await clearing
            await turns(LATER)
            left = numbers(await store.get_frames(key))
            assert left == [*range(cleared + 1, 7)], f"it says that {cleared} went; left is {left}"
            assert await store.count_frames(key) == len(left)

    async def test_what_comes_after_a_clear_stays(self, store: SessionStore) -> None:
        """`delete_frames` has happened when it answers: a frame appended then stays."""
        await filled(store, "a")
        assert await store.delete_frames("a") == 3
        await grow(store, "a")
        await turns(LATER)
        assert numbers(await store.get_frames("a")) == [4, 5, 6]

    async def test_deleting_takes_one_session_only(self, store: SessionStore) -> None:
        """`delete_session`: a later session with that id, and its frames, stay."""
        for wait in WAITS:
            key = f"s{wait}"
            await filled(store, key)
            deleting = asyncio.ensure_future(store.delete_session(key))
            await turns(wait)
            while True:
                try:
                    created = await store.create_session(new(key, tags={"later"}))
                except SessionExists:
                    await turns(1)
                else:
                    break
            assert await store.add_frame(note(1, key)) == 1
            await deleting
            await turns(LATER)
            found = await store.get_session(key)
            assert (found.revision, found.tags) == (created.revision, frozenset({"later"}))
            assert (found.frame_count, found.last_seq) == (1, 1)
            assert numbers(await store.get_frames(key)) == [1], "a later session's frames went"


class TrimmingConformance(StoreKit, level="operation"):
    @needs("trim_frames")
    async def test_a_trim_drops_no_later_frame(self, store: AtomicSessionStore) -> None:
        """`trim_frames(id, up_to)`: `seq <= up_to`; what is appended while it waits stays."""
        for wait in WAITS:
            for up_to in (2, 3):
                key = f"s{wait}-{up_to}"
                await filled(store, key)
                trimming = asyncio.ensure_future(store.trim_frames(key, up_to=up_to))
                await turns(wait)
                await grow(store, key)
                assert await trimming == up_to
                await turns(LATER)
                assert numbers(await store.get_frames(key)) == [*range(up_to + 1, 7)]
                session = await store.get_session(key)
                assert (session.frame_count, session.last_seq) == (6 - up_to, 6)

    @needs("trim_frames")
    async def test_a_trim_beyond_the_end_drops_what_it_says(
        self, store: AtomicSessionStore
    ) -> None:
        """`trim_frames(id, up_to)`: as many as it says, and none above `up_to`."""
        for wait in WAITS:
            key = f"s{wait}"
            await filled(store, key)
            trimming = asyncio.ensure_future(store.trim_frames(key, up_to=5))
            await turns(wait)
            await grow(store, key)
            trimmed = await trimming
            await turns(LATER)
            left = numbers(await store.get_frames(key))
            assert left == [*range(trimmed + 1, 7)], f"it says that {trimmed} went; left is {left}"
            assert 3 <= trimmed <= 5

    @needs("trim_frames")
    async def test_racing_trims_drop_each_frame_once(self, store: AtomicSessionStore) -> None:
        """`trim_frames`: each frame is counted once, by one of the callers."""
        for wait in range(3):
            key = f"s{wait}"
            await filled(store, key)

            async def trim(up_to: int, key: str = key, wait: int = wait) -> int:
                await turns(up_to % 3 * wait)
                return await store.trim_frames(key, up_to=up_to)

            trimming = asyncio.gather(*(trim(n % 6) for n in range(18)))
            await grow(store, key)
            trimmed = sum(await trimming)
            left = numbers(await store.get_frames(key))
            assert left == [*range(trimmed + 1, 7)], "a frame was counted twice, or not at all"

    @needs("purge_sessions")
    async def test_a_purge_takes_no_later_session(self, store: AtomicSessionStore) -> None:
        """`purge_sessions`: looks and deletes in one step; a later session of that id stays."""
        for wait in WAITS:
            await store.create_session(new(state="closed"))
            purging = asyncio.ensure_future(store.purge_sessions(ended_for=0))
            await turns(wait)
            deleted = 1
            try:
                await store.delete_session("a")
            except SessionNotFound:
                deleted = 0
            await store.create_session(new())
            await store.add_frame(note(1))
            assert await purging == 1 - deleted, "one session went twice, or not at all"
            await turns(LATER)
            assert numbers(await store.get_frames("a")) == [1], "a later session's frames went"
            await store.delete_session("a")
