"""mcp-persist: event stores of the MCP SDK in SQLite, Redis, PostgreSQL, with a registry."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, ClassVar

from ..subject import StoredContent, Work
from .log_peer import LogPeer
from .mcp_messages import notification
from .optional_import import import_peer_module
from .postgres_schemas import PostgresSchema
from .redis_keys import delete_keys, new_prefix

__all__ = ["McpPersistPostgres", "McpPersistRedis", "McpPersistSqlite"]

PACKAGE = "mcp-persist"
HOUR = 3600
"""It asks for a time to live, and warns where there is none."""
LIMITATIONS = (
    "no state of a session: only messages and the existence of a session",
    "events are numbered across all sessions, so a gap in one session has no meaning",
    "a read starts after an event and has no limit",
)


class McpPersist(LogPeer[Any]):
    """`store_event`, `replay_events_after`, and the registry that shares the connection."""

    offers: ClassVar[frozenset[Work]] = LogPeer.offers | {Work.CREATE, Work.GET, Work.TOUCH}
    _store: Any
    _registry: Any

    def __init__(self) -> None:
        self._open = AsyncExitStack()

    async def _begin(self, store: Any) -> None:
        self._store = await self._open.enter_async_context(store)
        self._registry = import_peer_module(
            PACKAGE.replace("-", "_"), PACKAGE
        ).session_registry_for(self._store)
        await self._registry.initialize()

    async def aclose(self) -> None:
        """Close the store and its connection."""
        await self._open.aclose()

    async def create(self, key: str) -> None:
        """`register`; it does not refuse one that is there."""
        await self._registry.register(key)

    async def get(self, key: str) -> object:
        """Return the registry's record."""
        return await self._registry.get(key)

    async def touch(self, key: str) -> None:
        """Note that the session was seen."""
        await self._registry.touch(key)

    def message(self, key: str, payload: bytes) -> Any:
        """Make a notification."""
        return notification(payload)

    async def add(self, key: str, message: Any) -> None:
        """`store_event`."""
        await self._store.store_event(key, message)

    async def read(self, key: str, limit: int) -> int:
        """Replay the stream from its beginning, for there is no limit, and count to ours."""
        return min(limit, await self._count_replayed(key))

    async def count_stored(self, key: str) -> StoredContent:
        """Replay the stream."""
        return StoredContent(appended=await self._count_replayed(key), counter=0)

    async def _count_replayed(self, key: str) -> int:
        seen: list[object] = []

        async def send(event: object) -> None:
            seen.append(event)

        await self._store.replay_events_after("0", send, stream_id=key)
        return len(seen)


class McpPersistSqlite(McpPersist):
    """A file, one commit an event, which is its default."""

    name: ClassVar[str] = "mcp-persist-sqlite"
    limitations: ClassVar[tuple[str, ...]] = LIMITATIONS

    def __init__(self, path: Path) -> None:
        super().__init__()
        import_peer_module("aiosqlite", PACKAGE)
        self._made = import_peer_module("mcp_persist.sqlite", PACKAGE).SQLiteEventStore.create(
            str(path), ttl=HOUR
        )

    async def open(self) -> None:
        """Open the file."""
        await self._begin(self._made)


class McpPersistRedis(McpPersist):
    """A script an event."""

    name: ClassVar[str] = "mcp-persist-redis"
    limitations: ClassVar[tuple[str, ...]] = LIMITATIONS

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._prefix = new_prefix()
        self._made = import_peer_module("mcp_persist.redis", PACKAGE).RedisEventStore.create(
            url, key_prefix=f"{self._prefix}:", ttl=HOUR
        )

    async def open(self) -> None:
        """Connect."""
        await self._begin(self._made)

    async def aclose(self) -> None:
        """Leave no key behind."""
        await super().aclose()
        await delete_keys(self._url, self._prefix)


class McpPersistPostgres(McpPersist):
    """An `INSERT` and a commit an event, over a pool of asyncpg with its usual size of ten."""

    name: ClassVar[str] = "mcp-persist-postgres"
    limitations: ClassVar[tuple[str, ...]] = LIMITATIONS

    def __init__(self, url: str) -> None:
        super().__init__()
        import_peer_module("asyncpg", PACKAGE)
        self._schema = PostgresSchema(url)
        self._made = import_peer_module("mcp_persist.postgres", PACKAGE).PostgresEventStore.create(
            self._schema.url, ttl=HOUR, server_settings=self._schema.settings
        )

    async def open(self) -> None:
        """Make the schema, and connect."""
        await self._schema.create()
        await self._begin(self._made)

    async def aclose(self) -> None:
        """Leave no table behind."""
        try:
            await super().aclose()
        finally:
            await self._schema.drop()
