"""A watcher that has read all that there is, and waits."""

from __future__ import annotations

import asyncio
from typing import Any

from sessionkeeper import AtomicSessionStore

from .stores import wakeups_of

__all__ = ["waiting_watcher"]


async def waiting_watcher(store: AtomicSessionStore, session_id: str) -> asyncio.Task[Any]:
    """Watch an empty log; return the task that waits for its first frame."""

    async def first() -> object:
        return await anext(store.watch_frames(session_id))

    task = asyncio.create_task(first())
    while not wakeups_of(store):
        assert not task.done(), task
        await asyncio.sleep(0.001)
    # Reads are answered in their order: its own, which it sent when it registered, is answered now.
    assert await store.count_frames(session_id) == 0
    await asyncio.sleep(0)
    return task
