"""Others end connections and hold locks: one clear error after patience, and all works again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any

import asyncpg
import pytest
from postgres_proxy import PostgresProxy
from postgres_server import PostgresServer
from postgres_trials import deadlocked, histories, set_patience
from redis_operations import add_up, counted, note, picture, session
from sessionkeeper import SessionStore, StoreUnavailable
from sessionkeeper.backends.postgres.schema import STORE_LOCK, lock_key
from sessionkeeper.stores.postgres import PostgresSessionStore

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

LOCKS = {
    "a session's row of its log": "SELECT FROM {schema}.logs WHERE session = 1 FOR UPDATE",
    "the table of logs": "LOCK {schema}.logs IN ACCESS EXCLUSIVE MODE",
    "the table of frames": "LOCK {schema}.frames IN ACCESS EXCLUSIVE MODE",
    "the rows of writers": "SELECT FROM {schema}.writers FOR UPDATE",
    "the lock of the store": "SELECT pg_advisory_xact_lock({lock}, {key})",
}
Write = Callable[[PostgresSessionStore], Awaitable[Any]]
WRITES: dict[str, Write] = {
    "add_frame": lambda store: store.add_frame(note(1)),
    "add_frames with a change": lambda store: store.add_frames("a", [note(1)], change=counted),
    "both of two sessions": lambda store: asyncio.gather(
        store.add_frame(note(1, "b")), store.add_frame(note(1))
    ),
}


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[PostgresSessionStore]:
    """With two sessions."""
    async with PostgresSessionStore(postgres_url, patience=60.0) as store:
        await store.create_session(session("a"))
        await store.create_session(session("b"))
        yield store


class Stranger:
    """Somebody with a connection to the database who knows the tables."""

    def __init__(self, connection: asyncpg.Connection[Any], schema: str) -> None:
        self._connection = connection
        self._schema = schema

    async def run(self, sql: str) -> list[Any]:
        """Run a statement; `{schema}`, `{lock}` and `{key}` are filled in."""
        key = lock_key(self._schema)
        statement = sql.format(schema=self._schema, lock=STORE_LOCK, key=key)
        return list(await self._connection.fetch(statement))

    def transaction(self) -> Any:
        """For a block."""
        return self._connection.transaction()


@pytest.fixture
async def stranger(
    store: SessionStore, postgres_server: PostgresServer, postgres_url: str
) -> AsyncIterator[Stranger]:
    """Beside the store."""
    connection = await asyncpg.connect(postgres_server.url)
    yield Stranger(connection, postgres_url.rpartition("=")[2])
    await connection.close()


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("what", LOCKS)
async def test_a_lock_that_others_hold_is_waited_for_with_patience(
    what: str,
    write: str,
    postgres_url: str,
    store: PostgresSessionStore,
    stranger: Stranger,
) -> None:
    """Then the caller is told why, nothing was applied, and afterwards it works again."""
    async with PostgresSessionStore(postgres_url, patience=0.5) as hasty:
        await hasty.touch_session("b")
        before = await picture(store)
        async with stranger.transaction():
            await stranger.run(LOCKS[what])
            with pytest.raises(StoreUnavailable, match="held a lock for too long"):
                await WRITES[write](hasty)
        assert await picture(store) == before
        await WRITES[write](store)
        set_patience(hasty, 60.0)
        await WRITES[write](hasty)
        assert await store.count_frames("a") == 2
        await add_up(store)


@pytest.mark.parametrize("what", LOCKS)
async def test_a_lock_that_is_released_in_time_delays_a_write(
    what: str, store: PostgresSessionStore, stranger: Stranger
) -> None:
    """Nobody is told anything else."""
    async with stranger.transaction():
        await stranger.run(LOCKS[what])
        asked = asyncio.ensure_future(store.add_frame(note(1)))
        while not await stranger.run("SELECT FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.005)
        assert not asked.done()
    assert await asked == 1
    await add_up(store)


async def test_a_deadlock_with_others_ends_with_the_write_applied_once(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """The server refuses the batch, which is applied again: its callers are told nothing."""
    await deadlocked(postgres_server, postgres_url)


async def test_connections_that_an_administrator_ends_at_random_are_made_again(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """Several busy stores: one order explains all that their clients saw."""

    async def end(server: PostgresServer, proxy: PostgresProxy) -> None:
        dice = Random(5)
        ours = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'sessionkeeper' AND "
        )
        for _ in range(40):
            await asyncio.sleep(dice.random() / 20)
            state = dice.choice(("true", "state = 'active'", "state LIKE 'idle in%'"))
            await asyncio.to_thread(server.psql, ours + state)

    assert await histories(postgres_server, postgres_url, end) > 150
