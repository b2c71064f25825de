"""google-adk: session services whose state changes by events."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, ClassVar

from ..subject import StoredContent, Work
from .log_peer import LogPeer
from .optional_import import import_peer_module
from .postgres_schemas import PostgresSchema

__all__ = ["AdkDatabase", "AdkMemory", "AdkPostgres", "AdkSqlite"]

PACKAGE = "google-adk"
APP, USER = "bench", "caller"
LIMITATIONS = (
    "no number of a message; messages with equal times have the order of storage",
    "a session is read with all its messages or with the newest ones; no cursor",
    "no touch, and sessions never expire",
)
STALE = "a time stamp detects stale writes, but misses some"


class Adk(LogPeer[Any]):
    """`create_session`, `get_session`, `append_event`."""

    offers: ClassVar[frozenset[Work]] = LogPeer.offers | {
        Work.CREATE,
        Work.GET,
        Work.SET,
        Work.LIST,
        Work.DELETE,
        Work.MODIFY,
    }
    _service: Any

    def __init__(self) -> None:
        sessions = import_peer_module("google.adk.sessions.base_session_service", PACKAGE)
        self._recent = sessions.GetSessionConfig
        self._event = import_peer_module("google.adk.events.event", PACKAGE).Event
        self._actions = import_peer_module("google.adk.events.event_actions", PACKAGE).EventActions
        errors = import_peer_module("google.adk.errors._stale_session_error", PACKAGE)
        self._stale: type[Exception] = errors.StaleSessionError
        self._types = import_peer_module("google.genai.types", PACKAGE)
        # An invocation holds its session while it appends to it.
        self._held: dict[str, Any] = {}

    async def create(self, key: str) -> None:
        """`create_session`."""
        self._held[key] = await self._service.create_session(
            app_name=APP, user_id=USER, session_id=key, state={"counter": 0}
        )

    async def get(self, key: str) -> object:
        """`get_session` without its events."""
        return await self._fetch(key, 0)

    async def set(self, key: str, payload: bytes) -> None:
        """Get the session, append an event that sets the state."""
        session = await self._fetch(key, 0)
        await self._change(session, {"state": payload.decode("utf-8", "replace")})

    async def modify(self, key: str) -> None:
        """Get the session, await once, append an event that sets the counter."""
        session = await self._fetch(key, 0)
        await asyncio.sleep(0)
        await self._change(session, {"counter": session.state["counter"] + 1})

    def message(self, key: str, payload: bytes) -> Any:
        """Make an event with a text; each has an id of its own."""
        text = self._types.Part(text=payload.decode("utf-8", "replace"))
        content = self._types.Content(role="user", parts=[text])
        return self._event(author="user", content=content)

    async def add(self, key: str, message: Any) -> None:
        """`append_event`; a session that somebody else changed is got again, as the error says."""
        while True:
            try:
                await self._service.append_event(self._held[key], message)
            except self._stale:
                self._held[key] = await self._fetch(key, 0)
            else:
                return

    async def read(self, key: str, limit: int) -> int:
        """Get the session with its newest events."""
        return len((await self._fetch(key, limit)).events)

    async def list(self) -> int:
        """`list_sessions`."""
        return len((await self._service.list_sessions(app_name=APP, user_id=USER)).sessions)

    async def delete(self, key: str) -> None:
        """`delete_session`."""
        self._held.pop(key, None)
        await self._service.delete_session(app_name=APP, user_id=USER, session_id=key)

    async def count_stored(self, key: str) -> StoredContent:
        """Count the events that carry a text; the others are changes of the state."""
        session = await self._fetch(key, None)
        appended = sum(event.content is not None for event in session.events)
        return StoredContent(appended=appended, counter=session.state["counter"])

    async def _fetch(self, key: str, events: int | None) -> Any:
        session = await self._service.get_session(
            app_name=APP,
            user_id=USER,
            session_id=key,
            config=None if events is None else self._recent(num_recent_events=events),
        )
        if session is None:
            raise LookupError("no such session")
        return session

    async def _change(self, session: Any, delta: dict[str, object]) -> None:
        event = self._event(author="user", actions=self._actions(state_delta=delta))
        await self._service.append_event(session, event)


class AdkMemory(Adk):
    """`InMemorySessionService`."""

    name: ClassVar[str] = "google-adk"
    limitations: ClassVar[tuple[str, ...]] = (
        *LIMITATIONS,
        "no atomic change: the last writer of a key of the state wins",
        "each append searches the whole log for its id",
        "no durability",
    )

    def __init__(self) -> None:
        super().__init__()
        services = import_peer_module("google.adk.sessions.in_memory_session_service", PACKAGE)
        self._service = services.InMemorySessionService()


class AdkSqlite(Adk):
    """`SqliteSessionService`: a connection and a commit for each call."""

    name: ClassVar[str] = "google-adk-sqlite"
    limitations: ClassVar[tuple[str, ...]] = (*LIMITATIONS, STALE)

    def __init__(self, path: Path) -> None:
        super().__init__()
        services = import_peer_module("google.adk.sessions.sqlite_session_service", PACKAGE)
        self._service = services.SqliteSessionService(str(path))

    async def aclose(self) -> None:
        """Close what is open."""
        await self._service.close()


class AdkDatabase(Adk):
    """`DatabaseSessionService` on SQLite, by SQLAlchemy."""

    name: ClassVar[str] = "google-adk-database"
    limitations: ClassVar[tuple[str, ...]] = (
        *LIMITATIONS,
        "a stale write is refused within one process; between processes only a time stamp is"
        " compared, on SQLite",
    )

    def __init__(self, path: Path) -> None:
        super().__init__()
        import_peer_module("sqlalchemy", PACKAGE)
        services = import_peer_module("google.adk.sessions.database_session_service", PACKAGE)
        self._service = services.DatabaseSessionService(f"sqlite+aiosqlite:///{path}")

    async def aclose(self) -> None:
        """Close the pool."""
        await self._service.close()


class AdkPostgres(Adk):
    """`DatabaseSessionService` on PostgreSQL, by SQLAlchemy and asyncpg."""

    name: ClassVar[str] = "google-adk-postgres"
    limitations: ClassVar[tuple[str, ...]] = (
        *LIMITATIONS,
        "a stale write is refused, so most changes of many callers fail",
    )

    def __init__(self, url: str) -> None:
        super().__init__()
        for module in ("sqlalchemy", "asyncpg"):
            import_peer_module(module, PACKAGE)
        self._services = import_peer_module("google.adk.sessions.database_session_service", PACKAGE)
        self._schema = PostgresSchema(url)

    async def open(self) -> None:
        """Make the schema; the service makes its tables when it is first used."""
        await self._schema.create()
        options = self._schema.sqlalchemy()
        self._service = self._services.DatabaseSessionService(options.pop("url"), **options)

    async def aclose(self) -> None:
        """Leave no table behind."""
        try:
            await self._service.close()
        finally:
            await self._schema.drop()
