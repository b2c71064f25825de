"""Fills a store for a test, and reads all of its content."""

from __future__ import annotations

import asyncio
from typing import Any

from sessionkeeper import AtomicSessionStore, MessageEnvelope, Session, StorageFactory

__all__ = ["filled", "held", "sent"]

NOT_KEPT = {"revision", "incarnation"}


def sent(session_id: str, number: int) -> MessageEnvelope:
    """A message that tells which one it is."""
    message = {"jsonrpc": "2.0", "id": number, "method": f"call {number}"}
    return MessageEnvelope.of(session_id, message, direction="client-to-server")


async def _fill(store: AtomicSessionStore, sessions: int = 3, frames: int = 5) -> None:
    """Create sessions: the second has ended, the third has lost two frames and a content."""
    ids = [f"id-{number}" for number in range(sessions)]
    new = [Session.new(id=each, transport_type="stdio", state="active", tags={"a"}) for each in ids]
    await asyncio.gather(*map(store.create_session, new))
    batches = [[sent(each, number) for number in range(frames)] for each in ids]
    await asyncio.gather(*map(store.add_frames, ids, batches))
    await store.trim_frames("id-2", up_to=2)
    await store.remove_frames("id-2", [1, 4])
    await store.modify_session(
        "id-1", lambda it: Session.model_validate(it.model_dump() | {"state": "closed"})
    )


async def filled(url: str, **size: int) -> None:
    async with await StorageFactory.create(url) as store:
        await _fill(store, **size)


async def held(url: str) -> dict[str, Any]:
    """The content of a store, without values that differ between stores."""
    async with await StorageFactory.create(url) as store:
        return {
            each.id: (
                each.model_dump(exclude=NOT_KEPT),
                await store.read_frames(each.id, limit=10_000),
            )
            for each in await store.list_sessions()
        }
