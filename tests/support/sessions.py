"""Sessions, messages and steps on a store, as the conformance kit makes them and a few more."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sessionkeeper import AtomicSessionStore, Frame, Session
from sessionlab.conformance.samples import FakeClock, become, note, numbers, turns
from sessionlab.conformance.samples import new as new_session

__all__ = [
    "FakeClock",
    "close_session",
    "fill",
    "new_session",
    "note",
    "numbers",
    "read_to_end",
    "settle",
    "turns",
]


async def fill(store: AtomicSessionStore, count: int, id: str = "a") -> None:
    """Append notes, numbered on from the last."""
    last = (await store.get_session(id)).last_seq
    for n in range(last + 1, last + count + 1):
        await store.add_frame(note(n, id))


async def close_session(store: AtomicSessionStore, id: str = "a") -> Session:
    """End a session."""
    return await store.modify_session(id, become("closed"))


async def read_to_end(watcher: AsyncIterator[Frame]) -> list[int]:
    """Watch to the end; each frame must be the one of its number. Return the numbers."""
    seen: list[int] = []
    async for frame in watcher:
        assert frame.envelope.message.endswith(b"[%d]}" % frame.seq)
        seen.append(frame.seq)
    return seen


async def settle(store: AtomicSessionStore) -> None:
    """Let every watcher read until it waits: what it asks is queued before these questions."""
    for _ in range(3):
        await turns(20)
        await store.count_sessions()
    await turns(20)
