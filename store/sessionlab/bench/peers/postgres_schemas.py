"""A part of a database for one run: a schema with a name of its own, dropped at the end."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from .optional_import import import_peer_module

__all__ = ["PostgresSchema", "check_database"]

_SECONDS = 30.0
"""To connect, and for each statement that makes or drops."""


class PostgresSchema:
    """A schema whose name no other run has. Peers find it by `search_path`, so they need no names.

    The URL says nothing of a schema itself; its options are the client's.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = f"peer_{uuid4().hex}"

    @property
    def settings(self) -> dict[str, str]:
        """What a connection of asyncpg takes as `server_settings`."""
        return {"search_path": self.name}

    def sqlalchemy(self) -> dict[str, Any]:
        """Arguments of `create_async_engine`, with asyncpg as the driver."""
        place = urlsplit(self.url)._replace(scheme="postgresql+asyncpg").geturl()
        return {"url": place, "connect_args": {"server_settings": self.settings}}

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


async def check_database(url: str) -> None:
    """Raise what asyncpg raises when no server answers."""
    connection = await connect(url)
    try:
        await connection.fetchval("SELECT 1")
    finally:
        await connection.close()
