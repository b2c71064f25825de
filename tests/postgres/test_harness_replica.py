"""The standby of the tests does what a standby does, and loses what one loses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest
from postgres_replica import StreamingReplica, url_of_all
from postgres_server import PostgresServer, until

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop


@pytest.fixture
def primary(own_postgres_server: PostgresServer) -> PostgresServer:
    """A server with a table."""
    own_postgres_server.psql("CREATE TABLE things (n int)")
    return own_postgres_server


@pytest.fixture(params=["synchronous", "asynchronous"])
def replica(request: pytest.FixtureRequest, primary: PostgresServer) -> Iterator[StreamingReplica]:
    """One of each kind, streaming."""
    replica = StreamingReplica(primary, synchronous=request.param == "synchronous")
    replica.start()
    yield replica
    replica.close()


def test_a_replica_has_what_its_primary_has(
    primary: PostgresServer, replica: StreamingReplica
) -> None:
    """It accepts no writes."""
    primary.psql("INSERT INTO things VALUES (1)")
    replica.catch_up()
    assert replica.psql("SELECT n FROM things") == "1"
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        replica.psql("INSERT INTO things VALUES (2)")
    found = primary.psql("SELECT sync_state FROM pg_stat_replication")
    assert found == ("sync" if replica.synchronous else "async")


@pytest.mark.parametrize("replica", ["synchronous"], indirect=True)
def test_a_promoted_synchronous_replica_has_all_that_was_acknowledged(
    primary: PostgresServer, replica: StreamingReplica
) -> None:
    """Though the primary was killed without a word; it is a primary now."""
    for number in range(50):
        primary.psql("INSERT INTO things VALUES ($1)", number)
    primary.kill9()
    replica.promote()
    assert not replica.is_standby
    assert replica.psql("SELECT count(*) FROM things") == "50"
    replica.psql("INSERT INTO things VALUES (50)")
    replica.restart()
    assert not replica.is_standby


@pytest.mark.parametrize("replica", ["synchronous"], indirect=True)
async def test_a_primary_waits_while_its_synchronous_replica_is_away(
    primary: PostgresServer, replica: StreamingReplica
) -> None:
    """It has written, and answers when the replica has it as well."""
    replica.stop()
    asked = asyncio.ensure_future(
        asyncio.to_thread(primary.psql, "INSERT INTO things VALUES (1) RETURNING n")
    )
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    await asyncio.to_thread(until, lambda: primary.psql(waiting) == "1", "it waits")
    assert not asked.done()
    await asyncio.to_thread(replica.start)
    assert await asked == "1"


@pytest.mark.parametrize("replica", ["asynchronous"], indirect=True)
def test_a_detached_replica_lacks_what_came_later(
    primary: PostgresServer, replica: StreamingReplica
) -> None:
    """What an asynchronous replica loses, whenever a test wants it."""
    primary.psql("INSERT INTO things VALUES (1)")
    replica.catch_up()
    replica.detach()
    primary.psql("INSERT INTO things VALUES (2)")
    primary.kill9()
    replica.promote()
    assert replica.psql("SELECT n FROM things") == "1"


@pytest.mark.parametrize("replica", ["asynchronous"], indirect=True)
async def test_a_client_finds_the_one_that_writes(
    primary: PostgresServer, replica: StreamingReplica
) -> None:
    """By one URL, before and after."""

    async def port(url: str) -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval("SELECT inet_server_port()")
        finally:
            await connection.close()

    both = url_of_all(replica, primary)
    assert await port(both) == primary.port
    assert await port(url_of_all(primary, replica, session_attributes="standby")) == replica.port
    await asyncio.to_thread(primary.stop)
    await asyncio.to_thread(replica.promote)
    assert await port(both) == replica.port
