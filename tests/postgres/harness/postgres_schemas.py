"""A schema for each test, in a server that many share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import asyncpg
from postgres_server import PostgresServer

__all__ = ["fresh_schema", "own_schema"]

_NUMBERS = count(1)


def fresh_schema() -> str:
    """A name that no test has used; nothing is made."""
    return f"test_{next(_NUMBERS)}"


@contextmanager
def own_schema(server: PostgresServer) -> Iterator[str]:
    """A name for a schema, which is dropped afterwards if it was made, with all that is in it."""
    schema = fresh_schema()
    yield schema
    if server.running:
        drop = f"DROP SCHEMA IF EXISTS {schema} CASCADE"
        try:
            server.psql(f"SET lock_timeout = '1s'; {drop}")
        except asyncpg.LockNotAvailableError:  # a test that failed has left a transaction open
            server.terminate_clients()
            server.psql(drop)  # those that were ended may hold their locks for a moment
