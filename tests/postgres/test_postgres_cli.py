"""The command line on PostgreSQL, as on a file."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres_folders import ServerFolders
from postgres_opened import contents
from postgres_schemas import own_schema
from postgres_server import PostgresServer, until
from redis_contents import filled, held, sent
from redis_engines import usual_engine
from redis_fleet import Fleet
from redis_server import RedisServer
from sessionkeeper import SessionState, StorageFactory
from sessionkeeper.backends.postgres.address import PostgresAddress
from sessionkeeper.backends.postgres.schema import grants
from sessionkeeper.cli.app import run

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

CLOSED = {"state": SessionState.CLOSED}
PROGRAM = [sys.executable, "-m", "sessionkeeper"]


def go(work: Coroutine[Any, Any, Any]) -> Any:
    """Run to its end; the command line makes a loop of its own."""
    return asyncio.run(work)


@pytest.fixture
def stored(postgres_url: str) -> str:
    """A store with three sessions."""
    go(filled(postgres_url))
    return postgres_url


@pytest.fixture
def redis(postgres_folders: ServerFolders, tmp_path: Path) -> Iterator[RedisServer]:
    """A server of another kind."""
    fleet = Fleet(usual_engine("valkey"), tmp_path / "redis", postgres_folders.watchdog)
    yield fleet.start()
    fleet.close()


def schema_of(url: str) -> str:
    """The schema that a URL names."""
    return PostgresAddress.of(url).schema


@pytest.mark.parametrize(
    "command",
    [
        *(["ls"], ["show", "id"], ["tail", "id", "-f"], ["stats"], ["export"], ["calls"]),
        *(["problems"], ["runs"], ["lint"], ["end", "id"], ["rm", "id", "--yes"]),
        ["purge", "--older-than", "0s"],
    ],
    ids=lambda command: command[0],
)
def test_a_missing_store_is_not_created(
    command: list[str],
    postgres_url: str,
    postgres_server: PostgresServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line says so, the exit code is 2, and the database is unchanged."""
    assert run([command[0], postgres_url, *command[1:]]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    schema, port = schema_of(postgres_url), postgres_server.port
    assert said.err == (
        f"sessionkeeper: 127.0.0.1:{port}: there is no store in the schema {schema}\n"
    )
    assert contents(postgres_server, schema) == []


def test_a_copy_from_a_store_that_is_not_there_makes_no_target(
    postgres_url: str, postgres_server: PostgresServer
) -> None:
    """Neither on a server nor in a file."""
    assert run(["copy", postgres_url, "sqlite:///b.db"]) == 2
    assert run(["copy", "sqlite:///b.db", postgres_url]) == 2
    assert not Path("b.db").exists()
    assert contents(postgres_server, schema_of(postgres_url)) == []


def test_a_store_in_a_database_is_looked_into_as_a_file_is(
    stored: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`ls`, `show`, `tail`, `calls`, `grep`, `problems`, `runs`, `lint`, `stats`."""
    assert run(["ls", stored, "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["id"] for each in listed] == ["id-0", "id-1", "id-2"]
    assert run(["show", stored, "id-2", "--json"]) == 0
    assert [each["seq"] for each in json.loads(capsys.readouterr().out)["frames"]] == [3, 4, 5]
    assert run(["tail", stored, "id-1", "-f", "-n", "2"]) == 0
    shown = [line.split()[::2][:2] for line in capsys.readouterr().out.splitlines()]
    assert shown[:2] == [["4", "→"], ["5", "→"]]
    assert run(["copy", stored, f"sqlite:///{tmp_path}/a.db"]) == 0
    capsys.readouterr()
    for command in (
        ["ls", "STORE", "--state", "active"],
        ["show", "STORE", "last"],
        ["tail", "STORE", "last~1", "-n", "3"],
        ["calls", "STORE", "--json"],
        ["grep", "call 3", "STORE"],
        ["grep", "nowhere", "STORE"],
        ["problems", "STORE", "--json", "--slow", "100000s"],  # what is open gets older
        ["runs", "STORE"],
        ["lint", "STORE"],
        ["export", "STORE"],
        ["export", "STORE", "--csv"],
    ):
        said = []
        for store in (stored, f"sqlite:///{tmp_path}/a.db"):
            code = run([store if each == "STORE" else each for each in command])
            captured = capsys.readouterr()
            said.append((code, _lines(captured.out.replace(store, "STORE")), captured.err))
        assert said[0] == said[1], command


def _lines(text: str) -> list[str]:
    """Revisions are each store's own, and so is the order of sessions used at the same time."""
    return sorted(line for line in text.splitlines() if '"revision"' not in line)


def test_exports_and_copies_go_from_any_store_to_any_other(
    stored: str, postgres_server: PostgresServer, tmp_path: Path, redis: RedisServer
) -> None:
    """A file, a server of Redis, another schema; a second copy finds nothing to do."""
    before = go(held(stored))
    on_redis = f"{redis.url}?prefix=copied"
    file = f"sqlite:///{tmp_path}/b.db"
    exported = tmp_path / "a.jsonl"
    assert run(["export", stored, "-o", str(exported)]) == 0
    with own_schema(postgres_server) as one, own_schema(postgres_server) as two:
        first, second = (postgres_server.url_of("postgres", schema=each) for each in (one, two))
        for source, target in (
            (stored, file),
            (file, first),
            (first, on_redis),
            (on_redis, second),
        ):
            assert run(["copy", source, target]) == 0
            assert go(held(target)) == before
            assert run(["copy", source, target]) == 0
        assert run(["rm", second, "id-0", "id-1", "id-2", "--force"]) == 0
        assert go(held(second)) == {}
        assert run(["import", second, str(exported)]) == 0
        assert list(go(held(second))) == ["id-0", "id-1", "id-2"]
        assert run(["end", second, "id-0"]) == 0
        assert run(["purge", second, "--older-than", "0s"]) == 0
        assert list(go(held(second))) == ["id-2"]


def test_writes_of_other_processes_are_recorded_and_followed(stored: str) -> None:
    """`record --store` from one process, `tail -f` in another."""
    message = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'
    record = [*PROGRAM, "record", "--require-store", "--store", stored, "--json", "--", "cat"]
    done = subprocess.run(record, input=message, capture_output=True, check=True, timeout=300)
    assert done.stdout == message
    recorded = json.loads(done.stderr)["session"]
    assert len(go(held(stored))[recorded][1]) == 2
    command = [*PROGRAM, "tail", stored, "id-0", "-f", "-n", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as tail:
        assert tail.stdout is not None
        assert tail.stdout.readline().startswith(b"5 ")

        async def end() -> None:
            async with await StorageFactory.create(stored) as store:
                await store.add_frame(sent("id-0", 99))
                await store.modify_session("id-0", lambda it: it.model_copy(update=CLOSED))

        go(end())
        followed, _ = tail.communicate(timeout=300)
    lines = [line.decode().split() for line in followed.splitlines()]
    assert [line[0] for line in lines if "→" in line] == ["6"]
    assert all("✗" in line for line in lines[1:])  # the session ended without their answers
    assert tail.returncode == 0


def test_a_recorder_makes_the_store_and_runs_without_it(
    postgres_url: str, postgres_server: PostgresServer, capfd: pytest.CaptureFixture[str]
) -> None:
    """A server that is away holds nothing up, and no password is shown."""
    table = f"{schema_of(postgres_url)}.sessions"

    def has_begun() -> bool:
        if postgres_server.rows("SELECT to_regclass($1) IS NULL", table) == [(True,)]:
            return False
        return postgres_server.rows(f"SELECT count(*) FROM {table}") == [(1,)]

    record = [*PROGRAM, "record", "--store", postgres_url, "--", "cat"]
    with subprocess.Popen(record, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as recorder:
        until(has_begun, "it records")
        echoed, _ = recorder.communicate(b"hi\n", timeout=300)
    assert (echoed, recorder.returncode) == (b"hi\n", 0)
    assert "2 frames recorded" in capfd.readouterr().err
    assert len(go(held(postgres_url))) == 1
    away = "postgresql://user:hunter2@127.0.0.1:1/d"
    done = subprocess.run(
        [*PROGRAM, "record", "--store", away, "--", "echo", "hi"],
        check=True,
        capture_output=True,
        timeout=300,
    )
    assert done.stdout == b"hi\n"
    assert b"cannot record yet: the store: 127.0.0.1:1: the server cannot be reached" in done.stderr
    assert b"hunter2" not in done.stderr
    refused = ["record", "--require-store", "--store", away, "--", "echo", "started"]
    assert run(refused) == 2
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == (
        "sessionkeeper: the store: 127.0.0.1:1: the server cannot be reached: nothing listens at"
        " its address; the server was not started (--require-store)\n"
    )


def test_statistics_say_what_an_acknowledgement_means(
    stored: str, postgres_server: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Product, durability and time-outs in words, for readers and for programs."""
    assert run(["stats", stored, "--json"]) == 0
    server = json.loads(capsys.readouterr().out)["server"]
    assert server["product"] == "PostgreSQL"
    assert server["version"].startswith(f"{postgres_server.version}")
    assert (server["role"], server["replicas"], server["in_recovery"]) == ("postgres", 0, False)
    assert server["synchronous_commit"] == "on"
    assert server["timeouts"]["lock_timeout"] == 5.0
    assert run(["stats", stored]) == 0
    shown = capsys.readouterr().out
    assert "acknowledged means: the transaction was flushed to the server's disk\n" in shown
    assert "there again after a power cut: every acknowledged write\n" in shown
    assert "isolation: read committed\n" in shown
    assert "statement_timeout: no limit\n" in shown


def test_warnings_are_shown(
    own_postgres_server: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the name of the setting that may lose data."""
    own_postgres_server.configure(synchronous_commit="off")
    go(filled(own_postgres_server.url))
    assert run(["stats", own_postgres_server.url]) == 0
    assert "warning: synchronous_commit is off: what was" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["ls", "stats", "export", "copy", "view", "restore"])
def test_no_password_is_shown(
    command: str,
    postgres_server: PostgresServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Refused, unreachable or misspelt: the error shows only host and port."""
    place = f"127.0.0.1:{postgres_server.port}"
    more = [f"sqlite:///{tmp_path}/b.db"] if command in ("copy", "restore") else []
    for wrong in (
        f"postgresql://user:hunter2@{place}/postgres",
        "postgresql://user:hunter2@127.0.0.1:1/d",
        f"postgresql://postgres:hunter2@{place}/hunter2",
        f"postgresql://user:hunter2@{place}/d?schema=a b",
        f"postgresql://user:hunter2@{place}/d?password=hunter2&nonsense=hunter2",
        f"postgresql+asyncpg://user:hunter2@{place}/d",
        f"postgresql://user:hunter2?@{place}/d",
    ):
        assert run([command, wrong, *more]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.count("\n") == 1
        assert "hunter2" not in said.err
        assert "error" not in said.err  # pydantic's own words are for programmers


def test_a_backup_is_the_databases_own(
    stored: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`restore` says which tools do it, in both directions; nothing is made."""
    assert run(["copy", stored, f"sqlite:///{tmp_path}/a.db"]) == 0
    capsys.readouterr()
    before = go(held(stored))
    for given in ([f"{tmp_path}/a.db", stored, "--force"], [stored, f"sqlite:///{tmp_path}/c.db"]):
        assert run(["restore", *given]) == 2
        said = capsys.readouterr()
        assert "PostgreSQL has its own tools: pg_dump and pg_restore" in said.err
        assert said.err.count("\n") == 1
    assert go(held(stored)) == before
    assert not (tmp_path / "c.db").exists()


def test_a_dump_of_the_schema_is_a_backup(stored: str, postgres_server: PostgresServer) -> None:
    """As docs/postgres.md says: `pg_dump --schema`, and `psql` into another database."""
    dump = postgres_server.binaries / "pg_dump"
    if not dump.exists():
        pytest.skip("this installation has no pg_dump")
    before = go(held(stored))
    schema = schema_of(stored)
    where = [f"--host={postgres_server.folder}", f"--port={postgres_server.port}"]
    done = subprocess.run(
        [dump, *where, "--username=postgres", f"--schema={schema}", "postgres", "--inserts"],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    statements = "\n".join(line for line in done.stdout.splitlines() if not line.startswith("\\"))
    postgres_server.psql(f"CREATE DATABASE {schema}_again TEMPLATE template0")
    try:
        postgres_server.psql(statements, database=f"{schema}_again")
        again = postgres_server.url_of("postgres", database=f"{schema}_again", schema=schema)
        assert go(held(again)) == before
    finally:
        postgres_server.psql(f"DROP DATABASE {schema}_again WITH (FORCE)")


def test_a_role_with_few_rights_is_enough(
    stored: str, postgres_server: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """To look, to record and to delete; without one of the rights, one line names it."""
    schema = schema_of(stored)
    role = f"{schema}_few"
    url = postgres_server.add_role(role, *grants(schema, role), schema=schema)
    try:
        assert run(["ls", url]) == 0
        assert run(["import", url, str(_exported(stored))]) == 2  # its sessions exist already
        assert run(["rm", url, "id-0", "id-1", "id-2", "--force"]) == 0
        assert run(["import", url, str(_exported(stored, again=False))]) == 0
        assert run(["stats", url]) == 0
        assert f"as role {role}" in capsys.readouterr().out
        postgres_server.psql(f"REVOKE INSERT ON {schema}.frames FROM {role}")
        assert run(["ls", url]) == 2
        said = capsys.readouterr().err
        assert f"the role {role} lacks INSERT on {schema}.frames" in said
        assert said.count("\n") == 1
    finally:
        postgres_server.psql(f"DROP OWNED BY {role}; DROP ROLE {role}")


def _exported(url: str, *, again: bool = True) -> Path:
    file = Path("exported.jsonl")
    if again:
        assert run(["export", url, "-o", str(file)]) == 0
    return file


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
