"""The rows of writers: nobody's counting is lost, and nobody leaves anything behind."""

from __future__ import annotations

import asyncio
from math import inf

import pytest
from postgres_server import PostgresServer, until
from redis_operations import add_up, note, session
from sessionkeeper import StoreLimits
from sessionkeeper.backends.postgres import writer_rows
from sessionkeeper.stores.postgres import PostgresSessionStore

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sessionkeeper'"


def schema_of(url: str) -> str:
    """The schema that a URL names."""
    return url.rpartition("schema=")[2]


async def crash(store: PostgresSessionStore, server: PostgresServer) -> None:
    """End a store as a killed process does: without a word to the server."""
    await asyncio.to_thread(server.terminate_clients)
    await store.aclose()


def ids(server: PostgresServer, url: str) -> list[int]:
    """The rows of writers."""
    found = server.rows(f"SELECT id FROM {schema_of(url)}.writers ORDER BY used_at, id")
    return [each[0] for each in found]


async def test_rows_of_crashed_writers_are_added_up_when_the_window_is_over(
    own_postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before: `resolve` needs them."""
    server = own_postgres_server
    url = server.url_of("postgres", schema="s")
    for n in range(3):
        store = await PostgresSessionStore(url).open()
        await store.create_session(session(f"s{n}"))
        await store.add_frame(note(1, f"s{n}"))
        await store.remove_frames(f"s{n}", [1])
        await crash(store, server)
    assert len(ids(server, url)) == 3
    async with PostgresSessionStore(url) as store:
        before = await add_up(store)
        assert len(ids(server, url)) == 3
        monkeypatch.setattr(writer_rows, "WINDOW", -1.0)
        async with PostgresSessionStore(url) as other:
            assert ids(server, url) == [writer_rows.BASE]
            assert (await add_up(other)).counters == before.counters
        assert (await add_up(store)).counters == before.counters
    assert before.counters.created == before.counters.frames_added == 3


async def test_counters_stay_exact_while_rows_are_added_up(
    postgres_url: str, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every opening adds up the rows of all others, also of those at work."""
    monkeypatch.setattr(writer_rows, "WINDOW", -1.0)
    limits = StoreLimits(max_sessions=1000)

    async def works(number: int) -> None:
        for n in range(6):
            async with PostgresSessionStore(postgres_url, limits=limits, patience=60.0) as store:
                name = f"{number}-{n}"
                await store.create_session(session(name))
                for text in range(4):
                    await store.add_frame(note(text, name))
                await store.remove_frames(name, [2])
                if n % 2:
                    await store.delete_session(name)

    async def looks(store: PostgresSessionStore) -> None:
        for _ in range(40):
            now = await store.statistics()
            did = now.counters
            assert did.created == sum(now.sessions.values()) + did.deleted
            assert did.frames_added == now.frames + did.frames_removed

    async with PostgresSessionStore(postgres_url, patience=60.0) as watching:
        await asyncio.gather(*map(works, range(4)), looks(watching), looks(watching))
    monkeypatch.undo()
    async with PostgresSessionStore(postgres_url) as after:
        counters = (await add_up(after)).counters
        assert (counters.created, counters.deleted, counters.frames_added) == (24, 12, 96)
    assert ids(postgres_server, postgres_url) == [writer_rows.BASE]


async def test_the_check_notices_a_row_that_is_lost(
    postgres_url: str, postgres_server: PostgresServer
) -> None:
    """As if it had been removed and not been added."""
    async with PostgresSessionStore(postgres_url) as store:
        await store.create_session(session("a"))
    postgres_server.psql(f"DELETE FROM {schema_of(postgres_url)}.writers")
    async with PostgresSessionStore(postgres_url) as store:
        with pytest.raises(AssertionError):
            await add_up(store)


@pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.long)])
async def test_short_lived_stores_leave_no_rows_and_no_connections(
    count: int, own_postgres_server: PostgresServer
) -> None:
    """Several at a time; some write, some read, some do nothing."""
    server = own_postgres_server
    url = server.url_of("postgres", schema="s")
    async with PostgresSessionStore(url) as store:
        await store.create_session(session("a"))
    gate = asyncio.Semaphore(8)

    async def lives(n: int) -> None:
        async with gate, PostgresSessionStore(url, patience=60.0) as store:
            if n % 3 == 0:
                await store.add_frame(note(n))
            elif n % 3 == 1:
                await store.get_session("a")

    await asyncio.gather(*map(lives, range(count)))
    assert ids(server, url) == [writer_rows.BASE]
    # Closing does not wait for the process of the server for long.
    await asyncio.to_thread(until, lambda: server.rows(CONNECTED) == [(0,)], "all have gone")
    assert server.psql("SELECT count(*) FROM s.watchers") == "0"
    async with PostgresSessionStore(url) as store:
        assert (await add_up(store)).frames == len(range(0, count, 3))


@pytest.mark.parametrize("patience", [0, 0.001, inf])
async def test_stores_with_no_or_endless_patience_work(
    patience: float, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that others changed, and a row of a writer that is gone, are no reason to fail."""
    async with (
        PostgresSessionStore(postgres_url, patience=patience) as store,
        PostgresSessionStore(postgres_url, patience=patience) as other,
    ):
        await store.create_session(session("a"))
        for n in range(3):
            for each in (store, store, other, other):
                await each.add_frame(note(n))
        monkeypatch.setattr(writer_rows, "WINDOW", -1.0)
        async with PostgresSessionStore(postgres_url):  # it adds up the rows of all others
            pass
        assert await store.add_frame(note(4)) == 13
        await add_up(store)
