"""A primary that only reads now: operations say so, change nothing, and go on when it writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from postgres_server import PostgresServer
from postgres_trials import set_patience
from redis_operations import WRITES, add_up, fill, note, picture
from sessionkeeper import StoreUnavailable
from sessionkeeper.stores.postgres import PostgresSessionStore

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop


def _forbid(server: PostgresServer) -> None:
    server.configure(default_transaction_read_only="on")


def _permit(server: PostgresServer) -> None:
    server.configure(default_transaction_read_only="off")


def _demote(server: PostgresServer) -> None:
    server.stop()
    (server.data / "standby.signal").touch()
    server.start()


def _promote(server: PostgresServer) -> None:
    assert server.rows("SELECT pg_promote(true, 300)") == [(True,)]


CHANGES: dict[str, tuple[Callable[[PostgresServer], None], Callable[[PostgresServer], None], str]]
CHANGES = {
    "default_transaction_read_only": (_forbid, _permit, "default_transaction_read_only is on"),
    "a standby": (_demote, _promote, "the server is a standby"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_every_write_is_refused_with_one_line_and_works_again(
    change: str, own_postgres_server: PostgresServer
) -> None:
    """Nothing is half done; what was refused is done once when it is called again."""
    forbid, permit, reason = CHANGES[change]
    server = own_postgres_server
    urls = {name: server.url_of("postgres", schema=f"s{n}") for n, name in enumerate(WRITES)}
    stores = {
        name: await PostgresSessionStore(url, patience=2.0).open() for name, url in urls.items()
    }
    try:
        for store in stores.values():
            await fill(store)
        before = {name: await picture(store) for name, store in stores.items()}
        await asyncio.to_thread(forbid, server)
        told = await asyncio.gather(
            *(WRITES[name](store) for name, store in stores.items()), return_exceptions=True
        )
        for name, refused in zip(stores, told, strict=True):
            assert isinstance(refused, StoreUnavailable), (name, refused)
            assert reason in refused.reason, name
            assert refused.reason.isprintable()
        await asyncio.to_thread(permit, server)
        for name, store in stores.items():
            set_patience(store, 60.0)
            assert await picture(store) == before[name], name
            await WRITES[name](store)
            await add_up(store)
    finally:
        await asyncio.gather(*(store.aclose() for store in stores.values()))


async def test_a_server_that_only_reads_until_patience_is_over_is_waited_for(
    own_postgres_server: PostgresServer,
) -> None:
    """A call that began meanwhile is applied once."""
    server = own_postgres_server
    async with PostgresSessionStore(server.url, patience=60.0) as store:
        await fill(store)
        await asyncio.to_thread(_demote, server)
        writing = [asyncio.create_task(store.add_frame(note(n))) for n in range(3)]
        reading = asyncio.create_task(store.count_frames("a"))
        await asyncio.wait({*writing, reading}, timeout=0.5)
        # A standby answers reads, but what it has may be old.
        assert not any(task.done() for task in (*writing, reading))
        await asyncio.to_thread(_promote, server)
        assert sorted(await asyncio.gather(*writing)) == [4, 5, 6]
        assert await reading in (3, 4, 5, 6)
        assert await store.count_frames("a") == 6
        await add_up(store)


async def test_a_server_that_forbids_writes_may_not_be_opened_and_is_not_touched(
    own_postgres_server: PostgresServer,
) -> None:
    """As long as it does."""
    server = own_postgres_server
    await asyncio.to_thread(_forbid, server)
    with pytest.raises(StoreUnavailable, match="default_transaction_read_only is on"):
        await PostgresSessionStore(server.url).open()
    assert server.psql("SELECT count(*) FROM pg_namespace WHERE nspname = 'sessionkeeper'") == "0"
    await asyncio.to_thread(_permit, server)
    async with PostgresSessionStore(server.url) as store:
        await fill(store)
