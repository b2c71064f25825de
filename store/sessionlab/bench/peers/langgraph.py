"""langgraph: checkpoint savers, on their own and under a graph."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, ClassVar

from ..subject import StoredContent, Work
from .log_peer import LogPeer
from .optional_import import import_peer_module
from .postgres_schemas import PostgresSchema

__all__ = ["LanggraphMemory", "LanggraphPostgres", "LanggraphSqlite"]

PACKAGE = "langgraph"
LOG, STATE = "", "state"
"""Namespaces of checkpoints, so that the newest of one is not in the way of the other."""
LIMITATIONS = (
    "no log: a message is a checkpoint, and reading the history walks over all of them",
    "no atomic change: two changes that begin at one checkpoint both succeed, and the later id"
    " wins",
    "a checkpoint of a deleted session creates it again",
    "no list of sessions, no touch, no expiry",
)


class LanggraphSaver(LogPeer[str]):
    """`aput` a checkpoint for every change, `aget_tuple` the newest, `alist` the history."""

    offers: ClassVar[frozenset[Work]] = LogPeer.offers | {
        Work.CREATE,
        Work.GET,
        Work.SET,
        Work.DELETE,
        Work.MODIFY,
    }
    _saver: Any

    def __init__(self) -> None:
        self._empty = import_peer_module("langgraph.checkpoint.base", PACKAGE).empty_checkpoint
        self._version: dict[str, Any] = {}

    async def create(self, key: str) -> None:
        """Put a first checkpoint."""
        await self._put(key, STATE, self._checkpoint(key, {"state": "", "counter": 0}))

    async def get(self, key: str) -> object:
        """Return the values of the newest checkpoint."""
        return await self._values(key)

    async def set(self, key: str, payload: bytes) -> None:
        """Put a checkpoint with this state and a counter of 0."""
        values = {"state": payload.decode("utf-8", "replace"), "counter": 0}
        await self._put(key, STATE, self._checkpoint(key, values))

    async def modify(self, key: str) -> None:
        """Get the newest, await once, put the next."""
        values = await self._values(key)
        await asyncio.sleep(0)
        values = {**values, "counter": values["counter"] + 1}
        await self._put(key, STATE, self._checkpoint(key, values))

    def message(self, key: str, payload: bytes) -> str:
        """A message is a text."""
        return payload.decode("utf-8", "replace")

    def checkpoint(self, key: str, message: str) -> Any:
        """Make a checkpoint whose only value is the message; it is added once."""
        return self._checkpoint(key, {"message": message})

    async def add(self, key: str, message: str) -> None:
        """`aput` a checkpoint with the message."""
        await self.add_checkpoint(key, self.checkpoint(key, message))

    async def add_checkpoint(self, key: str, checkpoint: Any) -> None:
        """`aput`."""
        await self._put(key, LOG, checkpoint)

    async def read(self, key: str, limit: int) -> int:
        """List the newest checkpoints."""
        return await self._listed(key, limit)

    async def delete(self, key: str) -> None:
        """`adelete_thread`."""
        self._version.pop(key, None)
        await self._saver.adelete_thread(key)

    async def count_stored(self, key: str) -> StoredContent:
        """List all checkpoints."""
        values = await self._values(key)
        return StoredContent(appended=await self._listed(key, None), counter=values["counter"])

    def _checkpoint(self, key: str, values: dict[str, Any]) -> Any:
        version = self._saver.get_next_version(self._version.get(key), None)
        self._version[key] = version
        checkpoint = self._empty()
        checkpoint["channel_values"] = values
        checkpoint["channel_versions"] = dict.fromkeys(values, version)
        return checkpoint

    async def _put(self, key: str, namespace: str, checkpoint: Any) -> None:
        metadata: dict[str, object] = {"source": "update", "step": 0, "parents": {}}
        versions = checkpoint["channel_versions"]
        await self._saver.aput(config(key, namespace), checkpoint, metadata, versions)

    async def _values(self, key: str) -> dict[str, Any]:
        found = await self._saver.aget_tuple(config(key, STATE))
        if found is None:
            raise LookupError("no such session")
        values: dict[str, Any] = found.checkpoint["channel_values"]
        return values

    async def _listed(self, key: str, limit: int | None) -> int:
        return len([each async for each in self._saver.alist(config(key, LOG), limit=limit)])


def config(key: str, namespace: str) -> dict[str, Any]:
    """Say which thread, and which of its namespaces."""
    return {"configurable": {"thread_id": key, "checkpoint_ns": namespace}}


class LanggraphMemory(LanggraphSaver):
    """`InMemorySaver`."""

    name: ClassVar[str] = "langgraph"
    limitations: ClassVar[tuple[str, ...]] = (*LIMITATIONS, "no durability")

    def __init__(self) -> None:
        super().__init__()
        self._saver = import_peer_module("langgraph.checkpoint.memory", PACKAGE).InMemorySaver()


class LanggraphSqlite(LanggraphSaver):
    """`AsyncSqliteSaver`: a commit a checkpoint, one at a time."""

    name: ClassVar[str] = "langgraph-sqlite"
    limitations: ClassVar[tuple[str, ...]] = LIMITATIONS

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._savers = import_peer_module(
            "langgraph.checkpoint.sqlite.aio", "langgraph-checkpoint-sqlite"
        )
        self._path = path
        self._open = AsyncExitStack()

    async def open(self) -> None:
        """Open the file and make its tables."""
        made = self._savers.AsyncSqliteSaver.from_conn_string(str(self._path))
        self._saver = await self._open.enter_async_context(made)
        await self._saver.setup()

    async def aclose(self) -> None:
        """Close the file."""
        await self._open.aclose()


class LanggraphPostgres(LanggraphSaver):
    """`AsyncPostgresSaver`: a commit a checkpoint, one at a time, a pool or not."""

    name: ClassVar[str] = "langgraph-postgres"
    limitations: ClassVar[tuple[str, ...]] = LIMITATIONS

    def __init__(self, url: str) -> None:
        super().__init__()
        package = "langgraph-checkpoint-postgres"
        self._savers = import_peer_module("langgraph.checkpoint.postgres.aio", package)
        self._places = import_peer_module("psycopg.conninfo", package)
        self._schema = PostgresSchema(url)
        self._open = AsyncExitStack()

    async def open(self) -> None:
        """Connect and make its tables."""
        await self._schema.create()
        place = self._places.make_conninfo(
            self._schema.url, options=f"-c search_path={self._schema.name}"
        )
        self._saver = await self._open.enter_async_context(
            self._savers.AsyncPostgresSaver.from_conn_string(place)
        )
        await self._saver.setup()

    async def aclose(self) -> None:
        """Leave no table behind."""
        try:
            await self._open.aclose()
        finally:
            await self._schema.drop()
