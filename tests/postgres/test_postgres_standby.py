"""A primary that waits for a synchronous standby: what only it has is not acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from postgres_replica import StreamingReplica
from postgres_server import PostgresServer, until
from postgres_trials import set_patience
from redis_operations import add_up, note, session
from sessionkeeper import OutcomeUnknown, StoreUnavailable
from sessionkeeper.backends.postgres import commits
from sessionkeeper.stores.postgres import PostgresSessionStore

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = [pytest.mark.any_loop, pytest.mark.usefixtures("soon_silent")]

WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE 'COMMIT%'"


@pytest.fixture
def primary(own_postgres_server: PostgresServer) -> PostgresServer:
    """A server of the test's own."""
    return own_postgres_server


@pytest.fixture
def standby(primary: PostgresServer) -> Iterator[StreamingReplica]:
    """It has all that its primary acknowledges."""
    replica = StreamingReplica(primary, synchronous=True)
    replica.start()
    yield replica
    replica.close()


async def waits(primary: PostgresServer) -> int:
    """Wait until a commit waits for the standby; the process that does."""
    await asyncio.to_thread(until, lambda: primary.rows(WAITING), "a commit waits")
    [[process]] = await asyncio.to_thread(primary.rows, WAITING)
    return int(process)


@pytest.mark.parametrize("how", ["pg_cancel_backend", "pg_terminate_backend", "restart"])
async def test_a_wait_that_is_ended_early_acknowledges_nothing(
    how: str, primary: PostgresServer, standby: StreamingReplica
) -> None:
    """It is committed on one server only: unknown, until the standby has it as well."""
    async with PostgresSessionStore(primary.url, patience=60.0) as store:
        await store.create_session(session("a"))
        await asyncio.to_thread(standby.kill9)
        set_patience(store, 2.0)
        adding = asyncio.create_task(store.add_frame(note(1)))
        process = await waits(primary)
        if how == "restart":
            await asyncio.to_thread(primary.restart)
        else:
            await asyncio.to_thread(primary.psql, f"SELECT {how}($1::int)", process)
        with pytest.raises(OutcomeUnknown) as unknown:
            await adding
        # Others see it meanwhile; it is not as safe as what was acknowledged.
        with pytest.raises((OutcomeUnknown, StoreUnavailable)) as again:
            await store.resolve(unknown.value.operation_id)
        if isinstance(again.value, OutcomeUnknown):
            assert again.value.operation_id == unknown.value.operation_id
        await asyncio.to_thread(standby.start)
        set_patience(store, 60.0)
        assert await store.resolve(unknown.value.operation_id) is True
        assert [frame.seq for frame in await store.read_frames("a")] == [1]
        assert await store.add_frame(note(2)) == 2
        await add_up(store)
    await asyncio.to_thread(primary.kill9)
    await asyncio.to_thread(standby.promote)
    async with PostgresSessionStore(standby.url) as after:
        assert await after.count_frames("a") == 2


async def test_a_role_that_hides_warnings_hides_none_of_a_wait_that_was_ended(
    primary: PostgresServer, standby: StreamingReplica
) -> None:
    """Only a warning tells that a commit is on one server; the store asks for it itself."""
    await asyncio.to_thread(primary.psql, "ALTER ROLE postgres SET client_min_messages = error")
    async with PostgresSessionStore(primary.url, patience=60.0) as store:
        await store.create_session(session("a"))
        await asyncio.to_thread(standby.kill9)
        set_patience(store, 2.0)
        adding = asyncio.create_task(store.add_frame(note(1)))
        process = await waits(primary)
        await asyncio.to_thread(primary.psql, "SELECT pg_cancel_backend($1::int)", process)
        with pytest.raises(OutcomeUnknown):
            await adding


async def test_a_commit_that_hangs_is_unknown_after_patience_and_known_later(
    primary: PostgresServer, standby: StreamingReplica
) -> None:
    """The server is not asked to end the wait: it would be committed on one server only."""
    async with (
        PostgresSessionStore(primary.url, patience=60.0) as store,
        PostgresSessionStore(primary.url, patience=60.0) as other,
    ):
        await store.create_session(session("a"))
        await other.add_frame(note(1))
        await asyncio.to_thread(standby.kill9)
        set_patience(store, 1.0)
        with pytest.raises(OutcomeUnknown) as unknown:
            await store.add_frame(note(2))
        assert len(await asyncio.to_thread(primary.rows, WAITING)) == 1
        assert "canceling" not in primary.log()
        # Nobody sees it before the standby has it.
        assert await other.count_frames("a") == 1
        with pytest.raises((OutcomeUnknown, StoreUnavailable)):
            await store.resolve(unknown.value.operation_id)
        await asyncio.to_thread(standby.start)
        set_patience(store, 60.0)
        assert await other.resolve(unknown.value.operation_id) is True
        assert await other.count_frames("a") == 2
        assert await store.add_frame(note(3)) == 3
        await add_up(store)


async def test_the_tests_notice_a_store_that_believes_what_one_server_shows(
    primary: PostgresServer, standby: StreamingReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It acknowledges a frame that the failover loses."""
    monkeypatch.setattr(commits, "confirm", lambda *_: True)
    async with PostgresSessionStore(primary.url, patience=60.0) as store:
        await store.create_session(session("a"))
        await asyncio.to_thread(standby.kill9)
        set_patience(store, 2.0)
        adding = asyncio.create_task(store.add_frame(note(1)))
        process = await waits(primary)
        await asyncio.to_thread(primary.psql, "SELECT pg_terminate_backend($1::int)", process)
        assert await adding == 1
        await asyncio.to_thread(primary.kill9)
    standby.settings["primary_conninfo"] = ""  # there is none any more
    await asyncio.to_thread(standby.start)
    await asyncio.to_thread(standby.promote)
    async with PostgresSessionStore(standby.url) as after:
        assert await after.count_frames("a") == 0
