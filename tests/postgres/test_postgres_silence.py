"""A server that says nothing any more: what is asked meanwhile, and what is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from postgres_proxy import PostgresProxy
from postgres_trials import BEGIN, COMMIT, set_patience, through
from redis_operations import add_up, note, session
from sessionkeeper import OutcomeUnknown, StoreUnavailable
from sessionkeeper.stores.postgres import PostgresSessionStore

pytestmark = pytest.mark.usefixtures("soon_silent")


@pytest.fixture
async def store(
    postgres_proxy: PostgresProxy, postgres_url: str
) -> AsyncIterator[PostgresSessionStore]:
    """A store behind the proxy that is not patient, with a session."""
    url = through(postgres_proxy, postgres_url)
    async with PostgresSessionStore(url, patience=60.0) as store:
        await store.create_session(session("a"))
        set_patience(store, 2.0, silence=1.0)
        yield store
        postgres_proxy.clear()


@pytest.fixture
async def other(
    store: PostgresSessionStore, postgres_url: str
) -> AsyncIterator[PostgresSessionStore]:
    """Without a proxy. It waits for less time than the server keeps locks of a silent client."""
    async with PostgresSessionStore(postgres_url, patience=8.0) as other:
        yield other


async def _changes(store: PostgresSessionStore) -> object:
    return await store.add_frame(note(1))


async def _creates(store: PostgresSessionStore) -> object:
    return await store.create_session(session("b"))


@pytest.mark.parametrize("write", [_changes, _creates])
async def test_one_question_is_enough_while_the_transaction_waits_for_its_commit(
    write: Callable[[PostgresSessionStore], Awaitable[object]],
    store: PostgresSessionStore,
    other: PostgresSessionStore,
    postgres_proxy: PostgresProxy,
) -> None:
    """It is ended, so the commit that comes later has no effect. No lock of its is waited for."""
    held = postgres_proxy.stall_request(0, COMMIT)
    asked = asyncio.ensure_future(write(store))
    await held.reached()
    postgres_proxy.refuse()
    with pytest.raises(OutcomeUnknown) as unknown:
        await asked
    assert await other.resolve(unknown.value.operation_id) is False
    held.release()
    await postgres_proxy.listen()
    set_patience(store, 60.0)
    assert await store.add_frame(note(2)) == 1
    assert [each.message for each in await other.get_frames("a")] == [note(2).message]
    assert await other.count_sessions() == 1
    await add_up(other)


@pytest.mark.parametrize("way", ["stall_request", "stall_answer"])
async def test_nothing_is_asked_on_a_connection_that_is_silent(
    way: str, store: PostgresSessionStore, postgres_proxy: PostgresProxy
) -> None:
    """Not even for a rollback: it would be waited for as long again."""
    connection = store._writer._connection
    asked: list[str] = []
    real, real_ahead = connection.execute, connection.send_ahead

    def execute(script: str, **options: Any) -> str:
        asked.append(script)
        return real(script, **options)

    def send_ahead(script: str) -> None:
        asked.append(script)
        real_ahead(script)

    connection.execute = execute  # type: ignore[method-assign]  # to see what is asked
    connection.send_ahead = send_ahead  # type: ignore[method-assign]  # as above
    getattr(postgres_proxy, way)(0, BEGIN)
    with pytest.raises(StoreUnavailable, match="did not answer in time"):
        await store.add_frame(note(1))
    assert len(asked) == 1, asked
    postgres_proxy.clear()
    set_patience(store, 60.0)
    assert await store.add_frame(note(2)) == 1


async def test_a_commit_that_never_arrived_is_said_to_have_had_no_effect(
    store: PostgresSessionStore, postgres_proxy: PostgresProxy
) -> None:
    """When patience is over; nobody else is blamed for it."""
    postgres_proxy.stall_request(0, COMMIT)
    with pytest.raises(StoreUnavailable, match="lost before the commit"):
        await store.add_frame(note(1))
    postgres_proxy.clear()
    set_patience(store, 60.0)
    assert await store.add_frame(note(2)) == 1
