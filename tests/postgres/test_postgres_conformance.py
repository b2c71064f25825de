"""The store in PostgreSQL, held to the contract by the kit that third parties get."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from postgres_folders import ServerFolders
from postgres_server import PostgresServer
from redis_certificates import Certificates
from sessionkeeper import AtomicSessionStore, Clock, PostgresSessionStore, SessionStore, StoreLimits
from sessionkeeper.backends.postgres.schema import (
    APPLICATION,
    COLUMNS,
    TABLES,
    VERSION,
    WRITTEN_COLUMNS,
    grants,
)
from sessionlab.conformance import AtomicSessionStoreConformance, Restore

_STORES = count(1)


class PostgresKit(AtomicSessionStoreConformance):
    """Every store has a schema of its own."""

    # A test makes a thousand transactions one after the other, each synced, on a machine that may
    # be busy.
    patience = 120.0

    url: str
    server: PostgresServer

    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        self.schema = f"kit_{next(_STORES)}"
        self.url = self.server.url_of("postgres", schema=self.schema)
        return PostgresSessionStore(self.url, limits=limits, clock=clock, patience=60.0)

    def reopen_store(self, store: SessionStore) -> SessionStore:
        return PostgresSessionStore(self.url, patience=60.0)

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


@pytest.fixture(scope="module")
def guarded(
    postgres_folders: ServerFolders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PostgresServer]:
    """A server that speaks only TLS, and a role with a password and no rights."""
    certificates = Certificates(tmp_path_factory.mktemp("guarded"))
    server = PostgresServer(postgres_folders, certificates=certificates)
    server.start()
    server.add_role("keeper", password="p@ss/word")
    yield server
    server.close()


@pytest.mark.long
class TestPostgresStoreOverTlsWithFewRights(PostgresKit):
    """In TLS, as the role of docs/postgres.md, in a schema of another role."""

    patience = 120.0  # a store is made, and its rights are given, by others

    @pytest.fixture(autouse=True)
    def _server(self, guarded: PostgresServer) -> None:
        self.server = guarded

    def make_store(
        self, *, limits: StoreLimits | None = None, clock: Clock | None = None
    ) -> AtomicSessionStore:
        self.schema = f"kit_{next(_STORES)}"
        meta = f"INSERT INTO meta VALUES (1, '{APPLICATION}', {VERSION}, 0)"
        made = f"CREATE SCHEMA {self.schema}; SET search_path TO {self.schema}"
        self.server.psql(";".join((made, *TABLES, meta, *grants(self.schema, "keeper"))))
        self.url = self.server.url_of("keeper", "p@ss/word", schema=self.schema)
        return PostgresSessionStore(
            self.url, limits=limits, clock=clock, must_exist=True, patience=60.0
        )


def test_the_documented_rights_are_those_of_the_tests() -> None:
    """The page has each statement, for the usual names."""
    page = (Path(__file__).parents[2] / "docs" / "postgres.md").read_text()
    found = [line.rstrip(";") for line in page.splitlines() if line.startswith("GRANT ")]
    assert found == [*grants("sessionkeeper", "app")]
