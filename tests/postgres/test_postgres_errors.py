"""What real servers refuse, and what a caller is told: one line, that quotes nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from postgres_disk import small_disk
from postgres_folders import ServerFolders
from postgres_opened import opened
from postgres_proxy import proxied
from postgres_replica import StreamingReplica
from postgres_server import PostgresServer, until
from redis_certificates import Certificates
from redis_operations import session
from sessionkeeper import StoreUnavailable
from sessionkeeper.backends.postgres.address import PostgresAddress
from sessionkeeper.backends.postgres.driver import StoreConnection
from sessionkeeper.backends.postgres.errors import (
    is_lost,
    is_storage_error,
    must_repeat,
    refusal,
    unavailable,
)
from sessionkeeper.stores.postgres import PostgresSessionStore

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

SECRET = "hunter2"


@asynccontextmanager
async def connected(url: str, *, lock_timeout: float = 60) -> AsyncIterator[StoreConnection]:
    """A connection as a store has it."""
    connection = await PostgresAddress.of(url).connect(timeout=60, lock_timeout=lock_timeout)
    try:
        yield connection
    finally:
        connection.terminate()


async def failure(work: Awaitable[object]) -> Exception:
    """What it raises."""
    try:
        await work
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def judged(error: Exception) -> tuple[str, str]:
    """How it is judged, and what a caller is told; it is always an error of the storage."""
    assert is_storage_error(error), repr(error)
    made = refusal(error)
    assert isinstance(made, StoreUnavailable)
    assert made.reason.isprintable(), made.reason
    assert SECRET not in made.reason
    assert len(made.reason) < 200
    assert made.__cause__ is None
    assert not (is_lost(error) and must_repeat(error))
    how = "lost" if is_lost(error) else "again" if must_repeat(error) else "refused"
    return how, re.sub(r"^127\.0\.0\.1:\d+: ", "", made.reason)


async def statement(url: str, sql: str, *, lock_timeout: float = 60) -> tuple[str, str]:
    """How the failure of a statement is judged."""
    async with connected(url, lock_timeout=lock_timeout) as connection:
        return judged(await failure(connection.execute(sql)))


async def connecting(url: str, *, timeout: float = 60) -> tuple[str, str]:
    """How the failure to connect is judged."""
    address = PostgresAddress.of(url)
    return judged(await failure(address.connect(timeout=timeout, lock_timeout=60)))


async def test_a_password_a_role_and_a_database_that_are_wrong(
    own_postgres_server: PostgresServer,
) -> None:
    """None of them is shown, and no other attempt helps."""
    server = own_postgres_server
    server.add_role("keeper", password="right")
    wrong = server.url_of("keeper", SECRET)
    refused = ("refused", "the server refuses the role or its password (28P01)")
    assert await connecting(wrong) == refused
    assert await connecting(server.url_of("keeper")) == refused
    assert await connecting(server.url_of(SECRET)) == (
        "refused",
        "the server refuses the role, or connections from here (pg_hba.conf) (28000)",
    )
    assert await connecting(server.url_of("postgres", database=SECRET)) == (
        "refused",
        "there is no such database (3D000)",
    )
    server.psql("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
    assert await connecting(server.url_of("keeper", "right")) == (
        "refused",
        "the role does not have the rights that the store needs (42501)",
    )


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """No listener, no name, no socket: it may be there in a moment."""
    lost = "lost", "the server cannot be reached: nothing listens at its address"
    assert await connecting("postgresql://127.0.0.1:1/d") == lost
    assert await connecting("postgresql://nobody.invalid/d") == (
        "lost",
        "nobody.invalid: the server's name is not known",
    )
    assert await connecting(f"postgresql:///d?host={tmp_path}") == (
        "lost",
        f"unix:{tmp_path}: the server cannot be reached: its socket does not exist",
    )


async def test_a_name_that_cannot_be_one() -> None:
    """The resolver is not even asked, and the name is not repeated."""
    for host in ("a..b", "x" * 64 + ".example"):
        how, said = await connecting(f"postgresql://{host}/d")
        assert how == "refused"
        assert "cannot be used" in said


async def test_a_server_that_is_silent(own_postgres_server: PostgresServer) -> None:
    """Frozen before it answers a connection, and in the middle of one."""
    server = own_postgres_server
    async with connected(server.url) as connection:
        server.freeze()
        try:
            silent = ("lost", "the server did not answer in time")
            assert await connecting(server.url, timeout=0.2) == silent

            async def ask() -> None:
                async with asyncio.timeout(0.2):
                    await connection.fetchval("SELECT 1")

            assert judged(await failure(ask())) == silent
        finally:
            server.thaw()


async def test_the_url_says_how_long_connecting_may_take(
    postgres_server: PostgresServer,
) -> None:
    """`connect_timeout` comes before the patience of a store."""
    async with proxied(postgres_server.port) as proxy:
        proxy.silent = True
        url = postgres_server.url_of("postgres", port=proxy.port, connect_timeout="0.2")
        assert await connecting(url, timeout=3000) == ("lost", "the server did not answer in time")


async def test_too_many_connections(postgres_folders: ServerFolders) -> None:
    """One of them may end in a moment."""
    server = PostgresServer(
        postgres_folders, {"max_connections": 5, "superuser_reserved_connections": 1}
    )
    try:
        server.start()
        url = server.add_role("keeper")
        taken = [await asyncpg.connect(url) for _ in range(4)]
        assert await connecting(url) == (
            "lost",
            "too many connections (max_connections, or a limit of the role or the database): a"
            " store has two, and one more while it watches (53300)",
        )
        for each in taken:
            each.terminate()
        server.psql("ALTER ROLE keeper CONNECTION LIMIT 0")
        assert (await connecting(url))[0] == "lost"
    finally:
        server.close()


ENDED = "the server is shutting down, or an administrator ended the connection (57P01)"
CUT = ("the connection to the server was lost", "the connection to the server was lost (08003)")
SAID_AT_THE_END = {
    # What the server says last may be lost with the connection.
    "fast": (ENDED, *CUT),
    "immediate": (ENDED, "the server crashed and recovers (57P02)", *CUT),
    "kill9": CUT,
}


@pytest.mark.parametrize("mode", ["fast", "immediate", "kill9"])
async def test_a_server_that_ends_in_the_middle_of_a_statement(
    mode: str, own_postgres_server: PostgresServer
) -> None:
    """Shut down, or crashed: the connection is lost, and so is the next statement on it."""
    server = own_postgres_server
    async with connected(server.url) as connection:
        asked = asyncio.ensure_future(failure(connection.execute("SELECT pg_sleep(600)")))
        active = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'"
        await asyncio.to_thread(until, lambda: server.psql(active) == "1", "it sleeps")
        end = server.kill9 if mode == "kill9" else lambda: server.stop(mode)  # type: ignore[arg-type]  # of the parameters
        await asyncio.to_thread(end)
        how, said = judged(await asked)
        assert how == "lost"
        assert said in SAID_AT_THE_END[mode]
        how, _ = judged(await failure(connection.execute("SELECT 1")))
        assert how == "lost"


async def test_a_server_that_is_starting_or_stopping(own_postgres_server: PostgresServer) -> None:
    """It says so, and another attempt finds it."""
    server = own_postgres_server
    said = ("lost", "the server is starting, stopping or recovering (57P03)")
    async with connected(server.url) as connection:
        await connection.execute("SELECT 1")
        server._process.send_signal(15)  # type: ignore[union-attr]  # it waits for its clients
        async with asyncio.timeout(60):
            while (found := await _connecting_or_not(server.url)) is None:
                await asyncio.sleep(0.01)
        assert found == said


async def _connecting_or_not(url: str) -> tuple[str, str] | None:
    try:
        async with connected(url):
            return None
    except Exception as error:
        return judged(error)


async def test_a_connection_that_is_ended_by_an_administrator(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """`pg_terminate_backend`, whether or not the connection is busy; a cancel ends a statement."""
    async with connected(postgres_url) as connection:
        pid = connection.get_server_pid()
        asked = asyncio.ensure_future(failure(connection.execute("SELECT pg_sleep(600)")))
        await _until_active(postgres_server, pid)
        postgres_server.psql(f"SELECT pg_cancel_backend({pid})")
        assert judged(await asked) == (
            "refused",
            "the server canceled a statement: statement_timeout, or an administrator did (57014)",
        )
        asked = asyncio.ensure_future(failure(connection.execute("SELECT pg_sleep(600)")))
        await _until_active(postgres_server, pid)
        postgres_server.psql(f"SELECT pg_terminate_backend({pid})")
        how, said = judged(await asked)
        assert how == "lost"
        assert said in (ENDED, *CUT)
    async with connected(postgres_url) as connection:
        postgres_server.psql(f"SELECT pg_terminate_backend({connection.get_server_pid()})")
        await asyncio.sleep(0.2)
        how, _ = judged(await failure(connection.execute("SELECT 1")))
        assert how == "lost"


async def _until_active(server: PostgresServer, pid: int) -> None:
    question = f"SELECT state FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'PgSleep'"
    await asyncio.to_thread(until, lambda: server.psql(question) == "active", "it sleeps")


async def test_time_outs_of_the_server(postgres_server: PostgresServer, postgres_url: str) -> None:
    """Of a lock, a statement, a transaction that idles; each names its setting."""
    await opened(postgres_url)
    async with connected(postgres_url) as holder:
        await holder.execute("BEGIN; LOCK TABLE logs")
        assert await statement(postgres_url, "BEGIN; LOCK TABLE logs", lock_timeout=0.05) == (
            "refused",
            "another process held a lock for too long (lock_timeout) (55P03)",
        )
    assert await statement(postgres_url, "SET statement_timeout = 10; SELECT pg_sleep(9)") == (
        "refused",
        "the server canceled a statement: statement_timeout, or an administrator did (57014)",
    )
    async with connected(postgres_url) as connection:
        await connection.execute("SET idle_in_transaction_session_timeout = 10; BEGIN")
        async with asyncio.timeout(60):
            while not connection.is_closed():
                await asyncio.sleep(0.01)
        how, _ = judged(await failure(connection.execute("SELECT 1")))
        assert how == "lost"
    async with connected(postgres_url) as connection:
        await connection.execute("SET idle_in_transaction_session_timeout = 1")
        await connection.execute("BEGIN")
        asked = await failure(_ask_for_ever(connection))
        assert judged(asked)[0] == "lost"
    if postgres_server.version >= 14:
        async with connected(postgres_url) as connection:
            await connection.execute("SET idle_session_timeout = 1")
            assert judged(await failure(_ask_for_ever(connection)))[0] == "lost"


async def _ask_for_ever(connection: StoreConnection) -> None:
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(0.01)
            await connection.execute("SELECT 1")


async def test_a_deadlock_and_a_serialization_failure_are_repeated(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """The server rolled one of them back whole, and what it did is gone."""
    await opened(postgres_url)
    async with connected(postgres_url) as one, connected(postgres_url) as other:
        await one.execute("INSERT INTO watchers VALUES (1, now()), (2, now())")
        await one.execute("SET deadlock_timeout = '50ms'; BEGIN")
        await other.execute("SET deadlock_timeout = '50ms'; BEGIN")
        await one.execute("UPDATE watchers SET until = now() WHERE id = 1")
        await other.execute("UPDATE watchers SET until = now() WHERE id = 2")
        both = await asyncio.gather(
            one.execute("UPDATE watchers SET until = now() WHERE id = 2"),
            other.execute("UPDATE watchers SET until = now() WHERE id = 1"),
            return_exceptions=True,
        )
        [error] = [each for each in both if isinstance(each, Exception)]
        assert judged(error) == (
            "again",
            "other transactions were in the way again and again (deadlock) (40P01)",
        )
        for each in (one, other):
            await each.execute("ROLLBACK")
        for each in (one, other):
            await each.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            await each.fetch("SELECT * FROM watchers")
        await one.execute("DELETE FROM watchers; COMMIT")
        error = await failure(other.execute("DELETE FROM watchers"))
        assert judged(error) == (
            "again",
            "other transactions were in the way again and again (40001)",
        )


async def test_a_primary_that_becomes_a_standby(own_postgres_server: PostgresServer) -> None:
    """A write to a standby is refused as read-only: a new connection may find the primary."""
    replica = StreamingReplica(own_postgres_server)
    try:
        replica.start()
        connection = await asyncpg.connect(replica.url)
        error = await failure(connection.execute("CREATE TABLE x (y int)"))
        connection.terminate()
        assert judged(error) == (
            "lost",
            "the server is read-only: it is a standby, or default_transaction_read_only is on"
            " (25006)",
        )
        assert await connecting(replica.url) == (
            "lost",
            "the server is a standby: name the primary",
        )
    finally:
        replica.close()


async def test_what_an_administrator_takes_away(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """Rights, a table, a column, the schema, the database; no other attempt helps."""
    schema = PostgresAddress.of(postgres_url).schema
    await opened(postgres_url)
    role = f"{schema}_poor"
    url = postgres_server.add_role(role, f"GRANT USAGE ON SCHEMA {schema} TO {role}", schema=schema)
    try:
        assert await statement(url, "SELECT * FROM frames") == (
            "refused",
            "the role does not have the rights that the store needs (42501)",
        )
    finally:
        postgres_server.psql(f"DROP OWNED BY {role}; DROP ROLE {role}")
    assert await statement(postgres_url, "SELECT hunter2 FROM frames") == (
        "refused",
        "the tables are not as they were (42703)",
    )
    postgres_server.psql(f"DROP TABLE {schema}.frames")
    gone = ("refused", "the tables are gone (42P01)")
    assert await statement(postgres_url, "SELECT * FROM frames") == gone
    postgres_server.psql(f"DROP SCHEMA {schema} CASCADE")
    assert await statement(postgres_url, "SELECT * FROM logs") == gone
    assert await statement(postgres_url, f"CREATE TABLE {schema}.x (y int)") == (
        "refused",
        "the schema is gone (3F000)",
    )
    postgres_server.psql(f"CREATE DATABASE {schema}_db")
    url = postgres_server.url_of("postgres", database=f"{schema}_db")
    async with connected(url) as connection:
        postgres_server.psql(f"DROP DATABASE {schema}_db WITH (FORCE)")
        await asyncio.sleep(0.2)
        assert judged(await failure(connection.execute("SELECT 1")))[0] == "lost"
    assert await connecting(url) == ("refused", "there is no such database (3D000)")


async def test_a_table_that_somebody_emptied_is_said(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """The store stays open, and goes on when the row is there again."""
    schema = PostgresAddress.of(postgres_url).schema
    async with PostgresSessionStore(postgres_url) as store:
        await store.create_session(session("a"))
        saved = postgres_server.rows(f"DELETE FROM {schema}.meta RETURNING id, version")
        with pytest.raises(StoreUnavailable, match="the row of meta cannot be read"):
            await store.create_session(session("b"))
        assert (await store.get_session("a")).id == "a"
        postgres_server.psql(
            f"INSERT INTO {schema}.meta VALUES ($1, 'sessionkeeper', $2, 1)", *saved[0]
        )
        await store.create_session(session("b"))
        assert [each.id for each in await store.list_sessions()] == ["a", "b"]


async def test_what_was_written_is_not_quoted(postgres_url: str) -> None:
    """The server's text has the row and the value; that of the error has neither."""
    await opened(postgres_url)
    insert = (
        "INSERT INTO sessions VALUES (1, 1, 1, 1, NULL, 1, NULL, 'hunter2', 'x', 'x', NULL, '{}')"
    )
    async with connected(postgres_url) as connection:
        await connection.execute(insert)
        error = await failure(connection.execute(insert.replace("(1, 1", "(2, 1", 1)))
        assert SECRET in str(getattr(error, "detail", ""))
        assert judged(error) == (
            "refused",
            "the tables hold something that the store did not write (23505)",
        )
        error = await failure(connection.execute("INSERT INTO sessions (id) VALUES ('hunter2')"))
        assert SECRET in str(getattr(error, "detail", ""))
        assert judged(error)[0] == "refused"
        error = await failure(connection.fetch("SELECT 'hunter2'::int"))
        assert judged(error) == ("refused", "the server does not accept a value (22P02)")
        error = await failure(connection.fetch("SELECT $1::int", SECRET))
        assert judged(error)[0] == "refused"


async def test_a_full_disk(postgres_folders: ServerFolders) -> None:
    """It says so, and goes on when there is room; nothing of the statement is there."""
    with small_disk(postgres_folders, 160) as disk:
        server = PostgresServer(postgres_folders, folder=postgres_folders.fresh(disk.folder))
        try:
            server.start()
            await opened(server.url)
            disk.fill(leave=100_000)
            fill = (
                "INSERT INTO principals SELECT int4send(g), g FROM generate_series(1, 100000) AS g"
            )
            assert await statement(server.url, fill) == (
                "refused",
                "the server's disk is full (53100)",
            )
            disk.free()
            assert server.psql("SELECT count(*) FROM sessionkeeper.principals") == "0"
        finally:
            server.close()


async def test_a_connection_that_is_cut(postgres_server: PostgresServer, postgres_url: str) -> None:
    """Anywhere in the answer to a statement, with and without a reset."""
    schema = PostgresAddress.of(postgres_url).schema
    async with proxied(postgres_server.port) as proxy:
        url = postgres_server.url_of("postgres", port=proxy.port, schema=schema)
        for reset in (False, True):
            for after in (0, 1, 5, 20):
                async with connected(url) as connection:
                    proxy.cut_answer(after, b"SELECT 5", reset=reset)
                    how, said = judged(await failure(connection.execute("SELECT 5")))
                    assert how == "lost", said
                    assert said.startswith("the connection to the server was lost")
                proxy.clear()
        proxy.cut_answer(5)
        assert (await connecting(url))[0] == "lost"


async def test_tls_that_cannot_be(
    own_postgres_server: PostgresServer, postgres_folders: ServerFolders, tmp_path: Path
) -> None:
    """A server without TLS, and one that takes nothing else."""
    assert await connecting(f"{own_postgres_server.url}?sslmode=require") == (
        "lost",
        "the server does not offer TLS, or is no PostgreSQL server",
    )
    server = PostgresServer(postgres_folders, certificates=Certificates(tmp_path))
    try:
        server.start()
        bare = server.url.partition("?")[0]
        assert await connecting(f"{bare}?sslmode=disable") == (
            "refused",
            "the server refuses the role, or connections from here (pg_hba.conf) (28000)",
        )
    finally:
        server.close()


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def _named(name: str) -> type[asyncpg.PostgresError]:
    found: type[asyncpg.PostgresError] = getattr(asyncpg, name)
    return found


UNSEEN: list[tuple[Callable[[], Exception], str, str]] = [
    (lambda: _named("DataCorruptedError")("hunter2"), "refused", "the database is damaged (XX001)"),
    (
        lambda: _named("IndexCorruptedError")("hunter2"),
        "refused",
        "an index of the database is damaged (XX002)",
    ),
    (lambda: _named("PostgresIOError")("hunter2"), "refused", "the server's disk failed (58030)"),
    (
        lambda: _named("OutOfMemoryError")("hunter2"),
        "refused",
        "the server is out of memory (53200)",
    ),
    (
        lambda: _named("RaiseError")("hunter2"),
        "refused",
        "a trigger or a function of the database refused it (P0001)",
    ),
    (lambda: _named("CrashShutdownError")("x"), "lost", "the server crashed and recovers (57P02)"),
    # Nobody knows what became of the statement: it is never simply sent again.
    (
        lambda: _named("StatementCompletionUnknownError")("hunter2"),
        "refused",
        "the server refused a statement (40003)",
    ),
    (
        lambda: _named("UnknownPostgresError")("hunter2"),
        "refused",
        "the server refused a statement (no SQLSTATE)",
    ),
    (
        lambda: asyncpg.InterfaceError("hunter2"),
        "refused",
        "the connection to the server failed (InterfaceError)",
    ),
    (
        lambda: asyncpg.InternalClientError("hunter2"),
        "refused",
        "the connection to the server failed (InternalClientError)",
    ),
    (
        lambda: asyncpg.InterfaceError("cannot call hunter2: connection is closed"),
        "lost",
        "the connection to the server was lost",
    ),
    # So asyncpg tells that a server said something and closed the connection.
    (
        lambda: _caused(
            _named("ConnectionDoesNotExistError")("hunter2"),
            _named("TransactionTimeoutError")("hunter2"),
        ),
        "lost",
        "the server ended a transaction (transaction_timeout) (25P04)",
    ),
    (lambda: OSError("hunter2"), "lost", "none of its addresses answers"),
    # So it looks, too, where a server is killed after it answered about TLS: its last words follow.
    (
        lambda: ConnectionError("PostgreSQL server at hunter2 rejected SSL upgrade"),
        "lost",
        "the server does not offer TLS, or is no PostgreSQL server",
    ),
]


@pytest.mark.parametrize(("make", "how", "said"), UNSEEN)
def test_errors_that_cannot_be_had_here(make: Callable[[], Exception], how: str, said: str) -> None:
    """Of damage, and of what no server sends."""
    judgement, reason = judged(make())
    assert (judgement, said in reason) == (how, True), reason


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), RuntimeError("x"), TypeError()])
def test_a_bug_is_no_error_of_the_storage(error: Exception) -> None:
    """It is not called one."""
    assert not is_storage_error(error)
    assert refusal(error) is None
    assert not is_lost(error)
    assert not must_repeat(error)


def test_the_time_that_was_waited_is_said() -> None:
    """When it is known."""
    made = unavailable(TimeoutError(), waited=1.25)
    assert str(made) == "the server did not answer in time (waited 1.2 s)"
    assert made.waited == 1.25
