"""A server that has run out of something says what; nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import asyncpg
import pytest
from postgres_appending import add
from postgres_binaries import SERVER_USER
from postgres_disk import SmallDisk, small_disk
from postgres_folders import ServerFolders
from postgres_server import PostgresServer, until
from postgres_trials import set_patience
from redis_operations import add_up, note, session
from sessionkeeper import MessageEnvelope, OutcomeUnknown, StoreUnavailable
from sessionkeeper.stores.postgres import PostgresSessionStore

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

SIZE = 100_000


@contextmanager
def cramped(folders: ServerFolders) -> Iterator[tuple[PostgresServer, SmallDisk]]:
    """A server with its data and its log on a small disk."""
    with small_disk(folders, 160) as disk:
        server = PostgresServer(
            folders,
            {"max_wal_size": "64MB", "min_wal_size": "32MB", "autovacuum": "off"},
            folder=folders.fresh(disk.folder),
        )
        try:
            server.start()
            yield server, disk
        finally:
            disk.free()
            server.close()


def big(n: int) -> MessageEnvelope:
    """A message that the server cannot make smaller."""
    text = Random(n).randbytes(SIZE // 2).hex()
    message = {"jsonrpc": "2.0", "method": "note", "params": [n, text]}
    return MessageEnvelope.of("a", message, direction="client-to-server")


async def test_a_full_disk_is_said_and_freed_space_is_used(
    postgres_folders: ServerFolders,
) -> None:
    """Reads go on; what was acknowledged is there, and what was refused is not."""
    with cramped(postgres_folders) as (server, disk):
        async with PostgresSessionStore(server.url, patience=1.0) as store:
            await store.create_session(session("a"))
            assert await store.add_frame(big(0)) == 1
            await asyncio.to_thread(server.psql, "CHECKPOINT")
            await asyncio.to_thread(disk.fill, 1_000_000)
            acknowledged, reason = await _until_refused(store)
            assert "the server's disk is full" in reason
            assert reason.isprintable()
            await asyncio.to_thread(disk.free)
            if not server.running:  # its log had no room: it ended itself, and was started again
                await asyncio.to_thread(server.start)
            set_patience(store, 60.0)
            assert await add(store, "after") == acknowledged + 1
            assert await store.count_frames("a") == acknowledged + 1
            await add_up(store)


@contextmanager
def cramped_log(folders: ServerFolders) -> Iterator[tuple[PostgresServer, SmallDisk]]:
    """A server with only its write-ahead log on a small disk."""
    with small_disk(folders, 100) as disk:
        server = PostgresServer(folders, {"max_wal_size": "64MB", "min_wal_size": "32MB"})
        log = server.data / "pg_wal"
        shutil.move(log, disk.folder / "pg_wal")
        for each in (disk.folder / "pg_wal", *(disk.folder / "pg_wal").rglob("*")):
            SERVER_USER.own(each)
        log.symlink_to(disk.folder / "pg_wal")
        try:
            server.start()
            yield server, disk
        finally:
            disk.free()
            server.close()


async def test_a_server_whose_log_is_full_has_lost_nothing_when_it_is_started_again(
    postgres_folders: ServerFolders,
) -> None:
    """It ends itself in the middle of a batch: calls get a true or an unknown outcome."""
    with cramped_log(postgres_folders) as (server, disk):
        async with PostgresSessionStore(server.url, patience=1.0) as store:
            await store.create_session(session("a"))
            await asyncio.to_thread(disk.fill)
            count, unknown = 0, ""
            for n in range(1000):
                try:
                    await store.add_frame(big(n))
                except StoreUnavailable:
                    break
                except OutcomeUnknown as error:
                    unknown = error.operation_id
                    break
                count += 1
            assert count < 999
            await asyncio.to_thread(disk.free)
            if not server.running:
                await asyncio.to_thread(server.start)
            set_patience(store, 60.0)
            await add(store, "after")
            if unknown and await store.resolve(unknown):
                count += 1
            assert await store.count_frames("a") == count + 1
            await add_up(store)


@pytest.mark.usefixtures("soon_silent")
async def test_a_connection_to_a_silent_server_is_not_used_again(
    own_postgres_server: PostgresServer,
) -> None:
    """Not even to undo what was begun: the server does that when the connection ends."""
    server = own_postgres_server
    async with PostgresSessionStore(server.url, patience=60.0) as store:
        await store.create_session(session("a"))
        assert await store.count_frames("a") == 0
        before = await asyncio.to_thread(_processes, server)
        set_patience(store, 1.0)
        server.freeze()
        told = await asyncio.gather(
            store.add_frame(note(1)), store.get_session("a"), return_exceptions=True
        )
        assert all(isinstance(each, StoreUnavailable) for each in told), told
        server.thaw()
        set_patience(store, 60.0)
        assert await add(store, 2) == 1
        assert await store.count_frames("a") == 1
        # The server sees the end of a connection when it has a turn.
        await asyncio.to_thread(until, lambda: not before & _processes(server), "the first end")
        await add_up(store)


def _processes(server: PostgresServer) -> set[int]:
    found = server.rows("SELECT pid FROM pg_stat_activity WHERE application_name = 'sessionkeeper'")
    return {each[0] for each in found}


async def _until_refused(store: PostgresSessionStore) -> tuple[int, str]:
    """Append until it is refused; how many frames there are, and the reason."""
    for n in range(1, 1000):
        try:
            await store.add_frame(big(n))
        except StoreUnavailable as refused:
            return n, refused.reason
    raise AssertionError("so much was never there")


async def test_too_many_connections_are_said_and_waited_for(
    own_postgres_server: PostgresServer,
) -> None:
    """A store that lost its connection gets another one when there is one again."""
    server = own_postgres_server
    server.settings |= {"max_connections": "12", "superuser_reserved_connections": "2"}
    await asyncio.to_thread(server.restart)
    server.psql("CREATE ROLE app LOGIN; GRANT CREATE ON DATABASE postgres TO app")
    url = server.url_of("app")
    async with PostgresSessionStore(url, patience=1.0) as store:
        await store.create_session(session("a"))
        held = await _fill_up(url)
        try:
            with pytest.raises(StoreUnavailable, match="too many connections"):
                await PostgresSessionStore(url, patience=0.5).open()
            assert await store.add_frame(note(1)) == 1  # it has its own
            ended = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'sessionkeeper'"
            )
            await asyncio.to_thread(server.psql, ended)
            await asyncio.to_thread(until, lambda: not _processes(server), "they end")
            held += await _fill_up(url)
            with pytest.raises(StoreUnavailable, match="too many connections"):
                await store.add_frame(note(2))
        finally:
            for each in held:
                each.terminate()
        set_patience(store, 60.0)
        assert await add(store, 2) == 2
        await add_up(store)


async def _fill_up(url: str) -> list[asyncpg.Connection[Any]]:
    """Take all connections that are left; who was ended a moment ago has gone by then."""
    held: list[asyncpg.Connection[Any]] = []
    refused = 0
    while refused < 5:
        try:
            held.append(await asyncpg.connect(url))
            refused = 0
        except asyncpg.TooManyConnectionsError:
            refused += 1
            await asyncio.sleep(0.05)
    return held


async def _take_all_locks(connection: asyncpg.Connection[Any]) -> None:
    """Until the server has no room for another one."""
    for n in range(100_000):
        try:
            await connection.execute(f"SAVEPOINT s; SELECT pg_advisory_xact_lock({n})")
        except asyncpg.OutOfMemoryError:
            await connection.execute("ROLLBACK TO s")
            return


async def test_a_table_of_locks_that_is_full_is_said(own_postgres_server: PostgresServer) -> None:
    """Somebody else holds a lock on very many tables."""
    server = own_postgres_server
    server.settings |= {"max_locks_per_transaction": "10", "max_connections": "10"}
    server.settings["autovacuum"] = "off"  # it would give locks back
    await asyncio.to_thread(server.restart)
    async with PostgresSessionStore(server.url, patience=1.0) as store:
        await store.create_session(session("a"))
        greedy = await asyncpg.connect(server.url)
        try:
            await greedy.execute("BEGIN")
            await _take_all_locks(greedy)
            with pytest.raises(StoreUnavailable, match="out of memory"):
                await store.add_frame(note(1))
        finally:
            greedy.terminate()
        set_patience(store, 60.0)
        assert await add(store, 1) == 1
        await add_up(store)
