"""A part of a database for one run: a schema with a name of its own, dropped at the end."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sessionkeeper.backends.postgres_url import split_postgres_url

from .optional_import import import_peer_module

__all__ = ["PostgresSchema"]

_SECONDS = 30.0
"""To connect, and for each statement that makes or drops."""


class PostgresSchema:
    """A schema whose name no other run has. Peers find it by `search_path`, so they need no names.

    A schema that the URL names is that of a store, and is not used.
    """

    def __init__(self, url: str) -> None:
        """Raises `ValueError` for what is no URL of PostgreSQL."""
        self.url = split_postgres_url(url).dsn
        self.name = f"peer_{uuid4().hex}"

    @property
    def settings(self) -> dict[str, str]:
        """What a connection of asyncpg takes as `server_settings`."""
        return {"search_path": self.name}

    def sqlalchemy(self) -> dict[str, Any]:
        """Arguments of `create_async_engine`, with asyncpg as the driver.

        asyncpg reads the URL itself: SQLAlchemy would pass on options such as `sslmode` as they
        are, which asyncpg does not take.
        """

        async def connected(*_: object, **options: object) -> object:
            return await connect(self.url, server_settings=self.settings, **options)

        return {"url": "postgresql+asyncpg://", "async_creator": connected}

    async def create(self) -> None:
        """Make it, empty. Raises what asyncpg raises."""
        await self._execute(f'CREATE SCHEMA "{self.name}"')

    async def drop(self) -> None:
        """Drop it with all that is in it. Raises what asyncpg raises."""
        await self._execute(f'DROP SCHEMA IF EXISTS "{self.name}" CASCADE')

    async def _execute(self, statement: str) -> None:
        connection = await connect(self.url)
        try:
            await connection.execute(statement, timeout=_SECONDS)
        finally:
            await connection.close()


async def connect(url: str, **options: Any) -> Any:
    """Connect by asyncpg. Raises what it raises, and `PeerNotInstalled`."""
    asyncpg = import_peer_module("asyncpg", "asyncpg")
    return await asyncpg.connect(url, timeout=_SECONDS, **options)
