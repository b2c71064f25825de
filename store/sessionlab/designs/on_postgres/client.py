"""Connections of asyncpg, which has no type annotations, and its errors."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from threading import Thread
from typing import Any

import asyncpg

from .address import ServerAddress

__all__ = ["FAILED", "LOST", "connect", "describe", "drop_schemas", "make_pool"]

LOST: tuple[type[BaseException], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    OSError,
)
"""Raised when the connection is gone. Whether a transaction was committed is not known then."""

FAILED: tuple[type[BaseException], ...] = (*LOST, asyncpg.PostgresError, TimeoutError)
"""All that a server, or the way to it, may raise."""

# A pool logs that its server is gone, by whose store it is raised anyway.
logging.getLogger("asyncpg").addHandler(logging.NullHandler())

_SECONDS = 5.0
_OPEN, _AT_ONCE = 3, 6


async def connect(address: ServerAddress, *, schema: str = "", port: int | None = None) -> Any:
    """Connect, through the proxy on a `port` of this host if one is given. Raises what asyncpg
    raises, `OSError`, `TimeoutError`."""
    return await asyncpg.connect(**_options(address, schema, port))


async def make_pool(address: ServerAddress, *, schema: str, port: int | None) -> Any:
    """Make a pool of a few connections, some of them open: to open one takes longer than a
    transaction. Raises as `connect`."""
    options = _options(address, schema, port)
    return await asyncpg.create_pool(min_size=_OPEN, max_size=_AT_ONCE, **options)


def _options(address: ServerAddress, schema: str, port: int | None) -> dict[str, Any]:
    return {
        "host": address.host if port is None else "127.0.0.1",
        "port": address.port if port is None else port,
        "user": address.user,
        "password": address.password,
        "database": address.database,
        "ssl": False,
        "timeout": _SECONDS,
        "command_timeout": _SECONDS,
        "server_settings": {"search_path": schema} if schema else {},
    }


_REASONS = (
    (asyncpg.InvalidAuthorizationSpecificationError, "it refuses this user or password"),
    (asyncpg.InvalidCatalogNameError, "it has no such database"),
    (asyncpg.InsufficientPrivilegeError, "this user may not create a schema"),
    (asyncpg.TooManyConnectionsError, "it has no connection left"),
    (asyncpg.CannotConnectNowError, "it is starting or stopping"),
    # These have a state, too, though no server said it.
    (asyncpg.PostgresConnectionError, "it cannot be reached"),
)


def describe(error: BaseException) -> str:
    """Say why a server cannot be used, without its own words: they may have names of others."""
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate:
        return f"it refuses (SQLSTATE {error.sqlstate})"
    return "it cannot be reached"


def drop_schemas(address: ServerAddress, prefix: str) -> None:
    """Drop every schema whose name begins with this prefix; blocks. A loop may be running here."""

    async def drop() -> None:
        with suppress(*FAILED):
            connection = await connect(address)
            try:
                names = await connection.fetch(
                    "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, $1)", prefix
                )
                for (name,) in names:
                    await connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
            finally:
                await connection.close(timeout=_SECONDS)

    thread = Thread(target=lambda: asyncio.run(drop()))
    thread.start()
    thread.join(2 * _SECONDS)
