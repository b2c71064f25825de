"""An import that fails leaves nothing of the session it had begun with."""

from __future__ import annotations

import asyncio

import pytest
from sessionkeeper import ActorSessionStore, LimitExceeded, SessionExists, StoreLimits
from sessionkeeper.transfer import StoredSession, import_session

from tests.support.sessions import new_session, note


def stored(frames: int) -> StoredSession:
    """A session read from an export."""
    notes = tuple(note(n) for n in range(frames))
    return StoredSession(new_session("a", state="closed"), notes, trimmed=0)


async def test_an_import_refused_by_a_limit_is_undone() -> None:
    """The error is the store's, and the session is not there."""
    async with ActorSessionStore(limits=StoreLimits(max_frames_per_session=2)) as store:
        with pytest.raises(LimitExceeded, match="max_frames_per_session"):
            await import_session(store, stored(3))
        assert await store.count_sessions() == 0
        assert (await import_session(store, stored(2))).frame_count == 2


@pytest.mark.parametrize("cancels", [1, 3])
async def test_a_cancelled_import_is_undone(cancels: int) -> None:
    """At any moment, its first step included, and again while it is undone: whole or not at all."""
    whole = 0
    for turns in range(40):
        async with ActorSessionStore() as store:
            task = asyncio.create_task(import_session(store, stored(3)))
            for _ in range(turns):
                await asyncio.sleep(0)
            for _ in range(cancels):
                task.cancel()
                await asyncio.sleep(0)
            await asyncio.wait({task})
            if task.cancelled():
                assert await store.count_sessions() == 0
                continue
            assert task.result().frame_count == 3
            whole += 1
    assert 0 < whole < 40


async def test_an_import_keeps_a_session_that_already_exists() -> None:
    """An import that finds its id taken undoes nothing."""
    async with ActorSessionStore() as store:
        await store.create_session(new_session("a"))
        with pytest.raises(SessionExists):
            await import_session(store, stored(3))
        assert await store.count_sessions() == 1
