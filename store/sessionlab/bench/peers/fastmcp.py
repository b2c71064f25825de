"""fastmcp: an event store and a session's state, both over py-key-value, here in memory."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from ..subject import StoredContent, Work
from .log_peer import LogPeer
from .mcp_messages import notification
from .optional_import import import_peer_module
from .value_peer import NO_ATOMIC_CHANGE

__all__ = ["FastmcpMemory"]

PACKAGE = "fastmcp"
RING = 100
"""Its default: so many messages of a stream are kept."""


class FastmcpMemory(LogPeer[Any]):
    """`EventStore()` and `Session`, as they are made by default."""

    name: ClassVar[str] = "fastmcp"
    offers: ClassVar[frozenset[Work]] = LogPeer.offers | {
        Work.CREATE,
        Work.GET,
        Work.SET,
        Work.DELETE,
        Work.MODIFY,
    }
    limitations: ClassVar[tuple[str, ...]] = (
        f"keeps the newest {RING} messages of a session, for an hour; each rewrites their list",
        NO_ATOMIC_CHANGE,
        "no list of sessions, no touch",
        "state and messages are separate: deleting a session leaves its messages",
        "no durability in memory, its default",
    )

    def __init__(self) -> None:
        storage = import_peer_module("key_value.aio.stores.memory", PACKAGE).MemoryStore()
        self._events = import_peer_module("fastmcp.server.event_store", PACKAGE).EventStore(storage)
        self._session = import_peer_module("fastmcp.server.sessions", PACKAGE).Session
        self._states = import_peer_module(
            "key_value.aio.adapters.pydantic", PACKAGE
        ).PydanticAdapter(
            key_value=storage,
            pydantic_model=import_peer_module("fastmcp.server.server", PACKAGE).StateValue,
            default_collection="fastmcp_state",
        )
        # Replaying begins after an event one knows, as a client knows the last it saw.
        self._seen: dict[str, list[str]] = {}

    def _of(self, key: str) -> Any:
        return self._session(store=self._states, principal=None, session_id=key)

    async def create(self, key: str) -> None:
        """Begin a session with a counter of 0."""
        await self._of(key).set("counter", 0)

    async def get(self, key: str) -> object:
        """`Session.get`."""
        return await self._of(key).get("state")

    async def set(self, key: str, payload: bytes) -> None:
        """`Session.set`."""
        await self._of(key).set("state", payload.decode("utf-8", "replace"))

    async def delete(self, key: str) -> None:
        """`Session.end`."""
        self._seen.pop(key, None)
        await self._of(key).end()

    async def modify(self, key: str) -> None:
        """Get, await once, set."""
        session = self._of(key)
        counter = await session.get("counter")
        await asyncio.sleep(0)
        await session.set("counter", counter + 1)

    def message(self, key: str, payload: bytes) -> Any:
        """Make a notification."""
        return notification(payload)

    async def add(self, key: str, message: Any) -> None:
        """`store_event`."""
        event = await self._events.store_event(key, message)
        self._seen.setdefault(key, []).append(event)

    async def read(self, key: str, limit: int) -> int:
        """Replay what came after the event before so many."""
        seen = self._seen.get(key, [])
        if not seen:
            return 0
        return await self._count_replayed(seen[-min(limit + 1, RING, len(seen))])

    async def count_stored(self, key: str) -> StoredContent:
        """Replay from the oldest event that is still there, and count that one too."""
        appended = 0
        for event in self._seen.get(key, [])[-RING:]:
            after = await self._count_replayed(event, missing=-1)
            if after >= 0:
                appended = after + 1
                break
        return StoredContent(appended=appended, counter=await self._of(key).get("counter", 0))

    async def _count_replayed(self, after: str, missing: int = 0) -> int:
        events: list[object] = []

        async def send(event: object) -> None:
            events.append(event)

        found = await self._events.replay_events_after(after, send)
        return missing if found is None else len(events)
