"""Our stores behind the same few things as the peers, for `perf/peers.py`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

from sessionkeeper import (
    ActorSessionStore,
    AtomicSessionStore,
    MessageEnvelope,
    Session,
    SQLiteSessionStore,
)
from sessionlab.bench import StoredContent, Work
from sessionlab.bench.peers import LogPeer

__all__ = ["Ours", "OursInMemory", "OursInSqlite"]


class Ours(LogPeer[MessageEnvelope]):
    """A store of ours; a state is metadata."""

    offers: ClassVar[frozenset[Work]] = frozenset(Work)
    store: AtomicSessionStore

    async def aclose(self) -> None:
        """Close the store."""
        await self.store.aclose()

    async def create(self, key: str) -> None:
        """`create_session`."""
        metadata = {"state": "", "counter": 0}
        await self.store.create_session(
            Session.new(transport_type="stdio", id=key, metadata=metadata)
        )

    async def get(self, key: str) -> object:
        """`get_session`."""
        return await self.store.get_session(key)

    async def set(self, key: str, payload: bytes) -> None:
        """`modify_session`: it replaces the state whatever it was, as a cache's `set` does."""
        metadata = {"state": payload.decode("utf-8", "replace"), "counter": 0}
        await self.store.modify_session(
            key, lambda session: session.model_copy(update={"metadata": metadata})
        )

    async def modify(self, key: str) -> None:
        """Await once, and send the change to the owner."""
        await asyncio.sleep(0)
        await self.store.modify_session(key, counted)

    def message(self, key: str, payload: bytes) -> MessageEnvelope:
        """Make an envelope."""
        return MessageEnvelope.of(key, payload, direction="client-to-server")

    async def add(self, key: str, message: MessageEnvelope) -> None:
        """`add_frame`."""
        await self.store.add_frame(message)

    async def count_stored(self, key: str) -> StoredContent:
        """Read all frames, rather than believe a count."""
        counter = (await self.store.get_session(key)).metadata["counter"]
        assert isinstance(counter, int)
        return StoredContent(appended=len(await self.store.get_frames(key)), counter=counter)


def counted(session: Session) -> Session:
    """Count one more."""
    counter = session.metadata["counter"]
    assert isinstance(counter, int)
    return session.model_copy(update={"metadata": {**session.metadata, "counter": counter + 1}})


class OursInMemory(Ours):
    """The actor over dicts."""

    name: ClassVar[str] = "sessionkeeper"

    def __init__(self) -> None:
        self.store = ActorSessionStore()

    async def open(self) -> None:
        """Start the owner."""
        await self.store.open()


class OursInSqlite(Ours):
    """The actor over a file, at its default level of durability."""

    name: ClassVar[str] = "sessionkeeper-sqlite"

    def __init__(self, path: Path) -> None:
        self.store = SQLiteSessionStore(path)

    async def open(self) -> None:
        """Open the file."""
        await self.store.open()
