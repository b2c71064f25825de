"""openai-agents: sessions that are a list of items."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from ..subject import StoredContent, Work
from .log_peer import LogPeer
from .optional_import import import_peer_module
from .postgres_schemas import PostgresSchema
from .redis_keys import delete_keys, make_client, new_prefix

__all__ = ["OpenaiAgentsPostgres", "OpenaiAgentsRedis", "OpenaiAgentsSqlite"]

PACKAGE = "openai-agents"
LIMITATIONS = (
    "no state of a session, only items",
    "items of two concurrent turns interleave, and removing the last item may remove the other"
    " turn's",
    "no item numbers and no cursor: a read returns all items, or the newest",
    "no list of sessions, no touch",
)


class OpenaiAgents(LogPeer[Any]):
    """`add_items`, `get_items`, `clear_session`; one object for each session."""

    offers: ClassVar[frozenset[Work]] = LogPeer.offers | {Work.DELETE}

    def __init__(self) -> None:
        self._sessions: dict[str, Any] = {}

    def _make(self, key: str) -> Any:
        raise NotImplementedError

    def _of(self, key: str) -> Any:
        session = self._sessions.get(key)
        if session is None:
            session = self._sessions[key] = self._make(key)
        return session

    async def create(self, key: str) -> None:
        """Make the object. It is not offered as work: nothing is stored before the first item."""
        self._of(key)

    def message(self, key: str, payload: bytes) -> Any:
        """Make an item."""
        return {"role": "user", "content": payload.decode("utf-8", "replace")}

    async def add(self, key: str, message: Any) -> None:
        """`add_items` of one."""
        await self._of(key).add_items([message])

    async def append_many(self, key: str, payloads: Sequence[bytes]) -> None:
        """`add_items` of all."""
        await self._of(key).add_items([self.message(key, payload) for payload in payloads])

    async def read(self, key: str, limit: int) -> int:
        """Get the newest items."""
        return len(await self._of(key).get_items(limit))

    async def delete(self, key: str) -> None:
        """`clear_session`."""
        await self._of(key).clear_session()

    async def count_stored(self, key: str) -> StoredContent:
        """Get all items."""
        return StoredContent(appended=len(await self._of(key).get_items()), counter=0)


class OpenaiAgentsSqlite(OpenaiAgents):
    """`SQLiteSession`s in one file: a thread and a commit for each call."""

    name: ClassVar[str] = "openai-agents-sqlite"
    limitations: ClassVar[tuple[str, ...]] = LIMITATIONS

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._made = import_peer_module("agents", PACKAGE).SQLiteSession
        self._path = path

    def _make(self, key: str) -> Any:
        return self._made(key, self._path)

    async def aclose(self) -> None:
        """Close all sessions."""
        for session in self._sessions.values():
            session.close()


class OpenaiAgentsRedis(OpenaiAgents):
    """`RedisSession`s that share one client."""

    name: ClassVar[str] = "openai-agents-redis"
    limitations: ClassVar[tuple[str, ...]] = LIMITATIONS

    def __init__(self, url: str) -> None:
        super().__init__()
        import_peer_module("agents", PACKAGE)
        self._client = make_client(url)
        self._made = import_peer_module(
            "agents.extensions.memory.redis_session", PACKAGE
        ).RedisSession
        self._url = url
        self._prefix = new_prefix()

    def _make(self, key: str) -> Any:
        return self._made(key, redis_client=self._client, key_prefix=self._prefix)

    async def aclose(self) -> None:
        """Leave no key behind."""
        await self._client.aclose()
        await delete_keys(self._url, self._prefix)


class OpenaiAgentsPostgres(OpenaiAgents):
    """`SQLAlchemySession`s that share one engine with asyncpg, of its usual size."""

    name: ClassVar[str] = "openai-agents-postgres"
    limitations: ClassVar[tuple[str, ...]] = LIMITATIONS

    def __init__(self, url: str) -> None:
        super().__init__()
        import_peer_module("agents", PACKAGE)
        import_peer_module("asyncpg", PACKAGE)
        self._engines = import_peer_module("sqlalchemy.ext.asyncio", PACKAGE)
        self._made = import_peer_module(
            "agents.extensions.memory.sqlalchemy_session", PACKAGE
        ).SQLAlchemySession
        self._schema = PostgresSchema(url)

    def _make(self, key: str) -> Any:
        return self._made(key, engine=self._engine, create_tables=True)

    async def open(self) -> None:
        """Make the schema and the engine."""
        await self._schema.create()
        self._engine: Any = self._engines.create_async_engine(**self._schema.sqlalchemy())

    async def aclose(self) -> None:
        """Leave no table behind."""
        try:
            await self._engine.dispose()
        finally:
            await self._schema.drop()
