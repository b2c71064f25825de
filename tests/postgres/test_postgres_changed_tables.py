"""An administrator or a newer library changes the tables under an open store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from postgres_server import PostgresServer
from redis_operations import counted, note, session
from sessionkeeper import StoreUnavailable
from sessionkeeper.backends.postgres.address import PostgresAddress
from sessionkeeper.backends.postgres.schema import grants
from sessionkeeper.stores.postgres import PostgresSessionStore

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

Write = Callable[[PostgresSessionStore], Awaitable[Any]]
WRITES: dict[str, Write] = {
    "an append of kept rows": lambda store: store.add_frame(note(9)),
    "an append with a change": lambda store: store.add_frames("a", [note(9)], change=counted),
    "a creation": lambda store: store.create_session(session("z")),
}

CALLS: tuple[Write, ...] = (
    lambda store: store.get_session("a"),
    lambda store: store.get_frames("a"),
    lambda store: store.add_frame(note(3)),
    lambda store: store.count_sessions(),
)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_tables_of_a_newer_library_are_left_as_they_are(
    write: Write, postgres_server: PostgresServer, postgres_url: str
) -> None:
    """Whoever had them open before does not write what the newer one cannot read."""
    schema = PostgresAddress.of(postgres_url).schema
    psql = postgres_server.psql
    counting = (
        f"SELECT (SELECT count(*) FROM {schema}.frames), (SELECT count(*) FROM {schema}.logs)"
    )
    async with PostgresSessionStore(postgres_url) as store:
        await store.create_session(session("a"))
        for n in range(3):
            await store.add_frame(note(n))
        psql(f"UPDATE {schema}.meta SET version = version + 1")
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="version 2, newer than this library"):
                await write(store)
            assert psql(counting) == "3|1"
        psql(f"UPDATE {schema}.meta SET version = version - 1")
        await write(store)
        assert psql(counting) in ("4|1", "3|2")


async def test_a_column_whose_type_is_changed_costs_no_call(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """Statements were prepared for the type before: they are prepared anew."""
    schema = PostgresAddress.of(postgres_url).schema
    async with PostgresSessionStore(postgres_url) as store:
        await asyncio.gather(*(store.create_session(session(each)) for each in "abc"))
        for kind in ("varchar(300)", "text"):
            await store.modify_session("b", counted)
            await store.get_session("b")
            await store.list_sessions()
            postgres_server.psql(
                f'ALTER TABLE {schema}.sessions ALTER id TYPE {kind} COLLATE "C",'
                f" ALTER state TYPE {kind}, ALTER incarnation TYPE {kind}"
            )
            assert (await store.modify_session("b", counted)).metadata["n"]
            assert (await store.get_session("b")).id == "b"
            assert [each.id for each in await store.list_sessions()] == ["a", "b", "c"]


@pytest.mark.parametrize("table", ["sessions", "logs", "frames", "writers"])
async def test_rows_that_a_policy_hides_are_no_missing_ones(
    table: str, postgres_server: PostgresServer, postgres_url: str
) -> None:
    """Somebody enables row-level security while the store is open."""
    schema = PostgresAddress.of(postgres_url).schema
    role = f"{schema}_app"
    async with PostgresSessionStore(postgres_url) as store:
        await store.create_session(session("a"))
        await store.add_frame(note(1))
    url = postgres_server.add_role(role, *grants(schema, role), schema=schema)
    async with PostgresSessionStore(url) as store:
        await store.add_frame(note(2))
        postgres_server.psql(f"ALTER TABLE {schema}.{table} ENABLE ROW LEVEL SECURITY")
        for call in CALLS:
            try:
                answer = await call(store)
            except StoreUnavailable as error:
                assert "does not have the rights" in error.reason  # noqa: PT017 - it may be answered
            else:
                assert answer
        postgres_server.psql(f"ALTER TABLE {schema}.{table} DISABLE ROW LEVEL SECURITY")
        assert await store.count_sessions() == 1
        assert len(await store.get_frames("a")) == await store.count_frames("a") >= 2
