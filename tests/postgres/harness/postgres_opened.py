"""Opening a schema as a store does, and what a database holds."""

from __future__ import annotations

from typing import Any

import asyncpg
from postgres_server import PostgresServer
from sessionkeeper import StoreUnavailable
from sessionkeeper.backends.postgres.address import PostgresAddress
from sessionkeeper.backends.postgres.errors import is_storage_error, unavailable
from sessionkeeper.backends.postgres.opening import OpenedSchema, open_schema

__all__ = ["contents", "opened", "refusal"]


async def opened(url: str, *, must_exist: bool = False) -> OpenedSchema:
    """Connect, open or make the schema, and leave."""
    address = PostgresAddress.of(url)
    connection = await address.connect(timeout=60, lock_timeout=60)
    try:
        return await open_schema(connection, address.schema, must_exist=must_exist)
    finally:
        connection.terminate()


async def refusal(url: str, *, must_exist: bool = False) -> str:
    """The line that says why it cannot be opened, without the place at its beginning."""
    error: BaseException | None = None
    try:
        await opened(url, must_exist=must_exist)
    except Exception as raised:
        error = raised
    assert error is not None, "it was opened"
    assert is_storage_error(error), repr(error)
    made = unavailable(error)
    assert isinstance(made, StoreUnavailable)
    assert made.reason.isprintable(), made.reason
    place = PostgresAddress.of(url).name
    assert made.reason.startswith(f"{place}: "), made.reason
    return made.reason.removeprefix(f"{place}: ")


def contents(
    server: PostgresServer, schema: str, *, database: str = "postgres"
) -> list[tuple[Any, ...]]:
    """All that is in a schema: each row of the catalog with its version, and the row of `meta`."""
    found = server.rows(
        "SELECT n.oid, n.xmin::text, c.relname, c.xmin::text, c.relkind::text FROM pg_namespace n"
        " LEFT JOIN pg_class c ON c.relnamespace = n.oid WHERE n.nspname = $1 ORDER BY c.relname",
        schema,
        database=database,
    )
    if any(row[2] == "meta" for row in found):
        try:
            meta = server.rows(f"SELECT xmin::text, * FROM {schema}.meta", database=database)
            found += [("meta", *row) for row in meta]
        except asyncpg.PostgresError as error:
            found.append((error.sqlstate,))
    return found
