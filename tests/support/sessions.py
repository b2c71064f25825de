"""Sessions, messages and steps on a store, as the conformance kit makes them and a few more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from sessionkeeper import AtomicSessionStore, Frame, Session, SessionPage
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
    "without_incarnations",
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


def without_incarnations(value: Any) -> Any:
    """The same answer without what differs in two stores that do the same."""
    match value:
        case Session():
            return value.model_copy(update={"incarnation": ""})
        case SessionPage():
            return replace(value, sessions=without_incarnations(value.sessions))
        case list() | tuple():
            values: list[Any] = [*value]
            return type(value)(map(without_incarnations, values))
        case _:
            return value


async def settle(store: AtomicSessionStore) -> None:
    """Let every watcher read until it waits: what it asks is queued before these questions."""
    for _ in range(3):
        await turns(20)
        await store.count_sessions()
    await turns(20)
