"""Copies by PostgreSQL's own programs: taken while stores work, and put back under open stores."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest
from postgres_server import PostgresServer
from redis_operations import add_up, note, session
from sessionkeeper import LogReplaced
from sessionkeeper.stores.postgres import PostgresSessionStore

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop


def _run(server: PostgresServer, program: str, *arguments: str, database: str = "postgres") -> None:
    where = (f"--host={server.folder}", f"--port={server.port}", "--username=postgres")
    command = [str(server.binaries / program), *where, f"--dbname={database}", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def dump(server: PostgresServer, url: str, file: Path) -> None:
    """Copy the schema of a URL."""
    schema = url.rpartition("schema=")[2]
    _run(server, "pg_dump", "--format=custom", f"--schema={schema}", f"--file={file}")


def restore(server: PostgresServer, file: Path, *, database: str = "postgres") -> None:
    """Put it back, in one transaction, in the place of what is there."""
    replace = ("--clean", "--if-exists", "--single-transaction", str(file))
    _run(server, "pg_restore", *replace, database=database)


async def test_a_dump_that_is_taken_while_stores_work_is_one_moment_of_the_store(
    postgres_url: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """It opens in another database, and its numbers add up."""
    file = tmp_path / "dump"
    async with PostgresSessionStore(postgres_url) as store:
        await store.create_session(session("a"))
        stop = asyncio.Event()

        async def works(n: int) -> None:
            while not stop.is_set():
                await store.add_frame(note(n))
                await store.get_or_create_session(session(f"{n}"))

        working = [asyncio.create_task(works(n)) for n in range(4)]
        await asyncio.to_thread(dump, postgres_server, postgres_url, file)
        stop.set()
        await asyncio.gather(*working)
    database = postgres_url.rpartition("schema=")[2]
    postgres_server.psql(f"CREATE DATABASE {database}")
    try:
        await asyncio.to_thread(restore, postgres_server, file, database=database)
        url = postgres_server.url_of("postgres", database=database, schema=database)
        async with PostgresSessionStore(url, must_exist=True) as copy:
            before = await add_up(copy)
            assert await copy.add_frame(note("new")) == before.frames + 1
            await add_up(copy)
    finally:
        postgres_server.psql(f"DROP DATABASE {database} WITH (FORCE)")


async def test_stores_go_on_when_a_dump_is_put_back_and_watchers_learn_it(
    postgres_url: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """An open store and one that is opened later exclude each other as before."""
    file = tmp_path / "dump"
    async with PostgresSessionStore(postgres_url) as store:
        await store.create_session(session("a"))
        await store.add_frame(note(1))
        await asyncio.to_thread(dump, postgres_server, postgres_url, file)
        await store.add_frame(note("lost"))
        async with store.watch_frames("a") as watcher:
            assert [(await anext(watcher)).seq for _ in range(2)] == [1, 2]
            await asyncio.to_thread(restore, postgres_server, file)
            assert await store.count_frames("a") == 1
            assert await store.add_frame(note("kept")) == 2
            with pytest.raises(LogReplaced):
                await anext(watcher)
        async with PostgresSessionStore(postgres_url) as other:
            await asyncio.gather(
                *(store.create_session(session(f"x{n}")) for n in range(40)),
                *(other.create_session(session(f"y{n}")) for n in range(40)),
            )
            await add_up(other)
        await add_up(store)
