"""The store in PostgreSQL, held to the contract by the kit that third parties get."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest
from postgres_server import PostgresServer
from sessionkeeper import AtomicSessionStore, Clock, PostgresSessionStore, SessionStore, StoreLimits
from sessionkeeper.backends.postgres.schema import COLUMNS, WRITTEN_COLUMNS
from sessionlab.conformance import AtomicSessionStoreConformance, Restore

_STORES = count(1)


class PostgresKit(AtomicSessionStoreConformance):
    """Every store has a schema of its own."""

    url: str
    server: PostgresServer

    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        self.schema = f"kit_{next(_STORES)}"
        self.url = self.server.url_of("postgres", schema=self.schema)
        return PostgresSessionStore(self.url, limits=limits, clock=clock)

    def reopen_store(self, store: SessionStore) -> SessionStore:
        return PostgresSessionStore(self.url)

    async def back_up(self, store: AtomicSessionStore) -> Restore:
        """Copy the tables; restoring them is one transaction, as `pg_restore -1 --data-only` is."""
        copy = f"{self.schema}_copy"
        tables = ", ".join(f"{self.schema}.{name}" for name in COLUMNS)
        await asyncio.to_thread(
            self.server.psql,
            f"CREATE SCHEMA {copy};"
            + "".join(f"CREATE TABLE {copy}.{n} AS TABLE {self.schema}.{n};" for n in COLUMNS),
        )

        async def restore() -> None:
            copies = "".join(
                f"INSERT INTO {self.schema}.{name} ({', '.join(columns)})"
                f" SELECT {', '.join(columns)} FROM {copy}.{name};"
                for name, columns in WRITTEN_COLUMNS.items()
            )
            await asyncio.to_thread(self.server.psql, f"TRUNCATE {tables};{copies}")

        return restore


class TestPostgresStore(PostgresKit):
    """The default: without TLS, with a role that has all rights."""

    @pytest.fixture(autouse=True)
    def _server(self, postgres_server: PostgresServer) -> None:
        self.server = postgres_server
