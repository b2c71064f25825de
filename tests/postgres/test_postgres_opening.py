"""Opening a schema: made once and whole, or refused in one line with nothing touched."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from postgres_opened import contents, opened, refusal
from postgres_pooler import PgBouncer
from postgres_replica import StreamingReplica
from postgres_rewriting import rewritten
from postgres_server import PostgresServer
from sessionkeeper.backends.postgres import opening
from sessionkeeper.backends.postgres import schema as store_schema
from sessionkeeper.backends.postgres.address import PostgresAddress
from sessionkeeper.backends.postgres.errors import WrongServer, is_lost
from sessionkeeper.backends.postgres.schema import COLUMNS, RIGHTS, grants
from sessionkeeper.values.guarantees import Durability

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop


@pytest.fixture
def name(postgres_url: str) -> str:
    """The schema of the test."""
    return PostgresAddress.of(postgres_url).schema


@pytest.fixture
def server(postgres_server: PostgresServer) -> PostgresServer:
    """The shared one."""
    return postgres_server


async def test_a_schema_is_made_whole(server: PostgresServer, postgres_url: str, name: str) -> None:
    """All tables, with the row that says whose they are; a second opening changes nothing."""
    assert contents(server, name) == []
    first = await opened(postgres_url)
    held = contents(server, name)
    tables = {row[2] for row in held[:-1] if row[4] == "r"}
    assert tables == set(COLUMNS)
    assert held[-1][2:] == (1, "sessionkeeper", 1, 0)
    second = await opened(postgres_url, must_exist=True)
    assert contents(server, name) == held
    assert first.schema_oid == second.schema_oid == held[0][0]


async def test_a_missing_store_is_not_made_if_it_must_exist(
    server: PostgresServer, postgres_url: str, name: str
) -> None:
    """Without the schema, and with an empty one."""
    said = f"there is no store in the schema {name}"
    schemas = "SELECT oid, nspname FROM pg_namespace ORDER BY oid"
    held = server.psql(schemas)
    assert await refusal(postgres_url, must_exist=True) == said
    assert server.psql(schemas) == held, "not even a temporary schema is made"
    server.psql(f"CREATE SCHEMA {name}")
    before = contents(server, name)
    assert await refusal(postgres_url, must_exist=True) == said
    assert contents(server, name) == before
    await opened(postgres_url)  # an empty schema that somebody made is taken


async def test_of_many_at_once_exactly_one_makes_it(
    server: PostgresServer, postgres_url: str, name: str
) -> None:
    """Nobody fails, and nothing is made twice."""
    found = await asyncio.gather(*(opened(postgres_url) for _ in range(24)))
    assert len({each.schema_oid for each in found}) == 1
    held = contents(server, name)
    assert len({row[3] for row in held[:-1]}) == 1, "of more than one transaction"


async def test_processes_that_open_at_once_share_one_schema(
    server: PostgresServer, postgres_url: str, name: str
) -> None:
    """Each is a process of its own."""
    program = (
        "import asyncio, sys; from postgres_opened import opened;"
        "print(asyncio.run(opened(sys.argv[1])).schema_oid)"
    )
    harness = Path(__file__).parent / "harness"
    path = [str(harness), *sys.path]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.path[:] = {path!r}; {program}", postgres_url],
            stdout=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    said = [(await asyncio.to_thread(each.communicate, timeout=300))[0] for each in started]
    assert len(set(said)) == 1
    assert int(said[0]) == contents(server, name)[0][0]


FOREIGN = {
    "a table": "CREATE TABLE {}.users (id int)",
    "a view": "CREATE VIEW {}.users AS SELECT 1 AS id",
    "a sequence": "CREATE SEQUENCE {}.revisions",
    "a meta of another": "CREATE TABLE {}.meta (key text, value text)",
    "a meta that looks like ours": (
        "CREATE TABLE {0}.meta (id int, application text, version int);"
        "INSERT INTO {0}.meta VALUES (1, 'theirs', 1)"
    ),
    "a meta of other types": (
        "CREATE TABLE {0}.meta (id text, application int, version text);"
        "INSERT INTO {0}.meta VALUES ('1', 5, 'x')"
    ),
    "a meta that is empty": "CREATE TABLE {}.meta (id int, application text, version int)",
    "a meta without a version": (
        "CREATE TABLE {0}.meta (id int, application text, version int);"
        "INSERT INTO {0}.meta VALUES (1, 'sessionkeeper', NULL)"
    ),
    "a meta of a version that never was": (
        "CREATE TABLE {0}.meta (id int, application text, version int);"
        "INSERT INTO {0}.meta VALUES (1, 'sessionkeeper', 0)"
    ),
    "a meta that is a view": (
        "CREATE VIEW {0}.meta AS SELECT 1 AS id, 'sessionkeeper'::text AS application, 1 AS version"
    ),
}


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("must_exist", [False, True])
async def test_a_schema_of_others_is_refused_and_untouched(
    what: str, must_exist: bool, server: PostgresServer, postgres_url: str, name: str
) -> None:
    """Whatever is in it, also what calls itself `meta`."""
    server.psql(f"CREATE SCHEMA {name};" + FOREIGN[what].format(name))
    before = contents(server, name)
    said = await refusal(postgres_url, must_exist=must_exist)
    assert said == f"the schema {name} holds other tables: name another with ?schema="
    assert contents(server, name) == before


async def test_a_newer_store_is_refused_and_untouched(
    server: PostgresServer, postgres_url: str, name: str
) -> None:
    """Its tables may be others by then."""
    await opened(postgres_url)
    server.psql(f"UPDATE {name}.meta SET version = 2; ALTER TABLE {name}.logs ADD COLUMN x int")
    before = contents(server, name)
    said = await refusal(postgres_url)
    assert said == f"the store in the schema {name} has version 2, newer than this library"
    assert contents(server, name) == before


TAMPERED = {
    "DROP TABLE {}.frames": "has no table frames any more",
    "ALTER TABLE {}.logs DROP COLUMN last_seq": "logs has other columns than it was made with",
    "ALTER TABLE {}.sessions ADD COLUMN x int": "sessions has other columns",
    "DROP SEQUENCE {}.revisions": "has no sequence revisions any more",
    "ALTER TABLE {}.frames SET UNLOGGED": "frames is UNLOGGED: a crash would empty it",
    "DROP TABLE {0}.writers; CREATE VIEW {0}.writers AS SELECT 1 AS id": "no table writers any",
}


@pytest.mark.parametrize(("change", "reason"), TAMPERED.items())
async def test_tables_that_were_changed_are_refused(
    change: str, reason: str, server: PostgresServer, postgres_url: str, name: str
) -> None:
    """Before any frame is written to them."""
    await opened(postgres_url)
    server.psql(change.format(name))
    before = contents(server, name)
    assert reason in await refusal(postgres_url)
    assert contents(server, name) == before


async def test_partitions_and_more_tables_are_the_administrators_choice(
    server: PostgresServer, postgres_url: str, name: str
) -> None:
    """A store finds its own beside them."""
    await opened(postgres_url)
    server.psql(
        f"CREATE TABLE {name}.notes (x int); DROP TABLE {name}.frames;"
        f"CREATE TABLE {name}.frames (session bigint NOT NULL, seq bigint NOT NULL,"
        " sent_at bigint NOT NULL, direction smallint NOT NULL, message bytea NOT NULL,"
        " detail bytea, stream bytea, PRIMARY KEY (session, seq)) PARTITION BY HASH (session);"
        f"CREATE TABLE {name}.part PARTITION OF {name}.frames"
        " FOR VALUES WITH (MODULUS 1, REMAINDER 0)"
    )
    await opened(postgres_url, must_exist=True)


@pytest.fixture
def upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library of the next version, with one more column."""
    monkeypatch.setattr(opening, "VERSION", 2)
    monkeypatch.setitem(
        store_schema.UPGRADES,
        1,
        ("ALTER TABLE writers ADD COLUMN note text", "UPDATE writers SET note = ''"),
    )
    monkeypatch.setitem(COLUMNS, "writers", (*COLUMNS["writers"], "note"))


async def test_an_older_store_is_upgraded_once(
    server: PostgresServer,
    postgres_url: str,
    name: str,
    upgrade: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of many that open it at once one upgrades, and the older library refuses it then."""
    with monkeypatch.context() as older:
        older.setattr(opening, "VERSION", 1)
        older.setitem(COLUMNS, "writers", COLUMNS["writers"][:-1])
        await opened(postgres_url)
    await asyncio.gather(*(opened(postgres_url) for _ in range(12)))
    assert server.psql(f"SELECT version FROM {name}.meta") == "2"
    monkeypatch.setattr(opening, "VERSION", 1)
    assert "version 2, newer than this library" in await refusal(postgres_url)


async def test_an_upgrade_that_fails_changes_nothing(
    server: PostgresServer,
    postgres_url: str,
    name: str,
    upgrade: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is one transaction; and a role that does not own the tables is told so."""
    with monkeypatch.context() as older:
        older.setattr(opening, "VERSION", 1)
        older.setitem(COLUMNS, "writers", COLUMNS["writers"][:-1])
        await opened(postgres_url)
    server.add_role(f"{name}_r")
    try:
        for statement in grants(name, f"{name}_r"):
            server.psql(statement)
        before = contents(server, name)
        url = server.url_of(f"{name}_r", schema=name)
        assert await refusal(url) == (
            f"the role {name}_r may not upgrade the store in the schema {name}"
        )
        monkeypatch.setitem(
            store_schema.UPGRADES, 1, (*store_schema.UPGRADES[1], "ALTER TABLE nothing ADD x int")
        )
        with pytest.raises(asyncpg.UndefinedTableError):
            await opened(postgres_url)
        assert contents(server, name) == before
        assert server.psql(f"SELECT version FROM {name}.meta") == "1"
    finally:
        server.psql(f"DROP OWNED BY {name}_r; DROP ROLE {name}_r")


@pytest.fixture
def role(server: PostgresServer, name: str) -> Iterator[str]:
    """One that may connect and nothing else."""
    role = f"{name}_few"
    server.add_role(role)
    yield role
    server.psql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


async def test_the_documented_rights_are_enough_and_each_is_needed(
    server: PostgresServer, postgres_url: str, name: str, role: str
) -> None:
    """A role that owns nothing opens the store of another; of a missing right, a line says so."""
    await opened(postgres_url)
    url = server.url_of(role, schema=name)
    assert f"may not use the schema {name}: grant USAGE" in await refusal(url)
    needed = grants(name, role)
    for statement in needed:
        server.psql(statement)
    found = await opened(url, must_exist=True)
    assert found.info.role == role
    for table, rights in RIGHTS.items():
        for right in rights:
            server.psql(f"REVOKE {right} ON {name}.{table} FROM {role}")
            before = contents(server, name)
            said = await refusal(url)
            assert f"{name}.{table}" in said
            assert right in said
            assert contents(server, name) == before
            server.psql(f"GRANT {right} ON {name}.{table} TO {role}")
    server.psql(f"REVOKE USAGE ON SEQUENCE {name}.revisions FROM {role}")
    assert f"lacks USAGE on {name}.revisions" in await refusal(url)


def test_the_documented_rights_are_those_that_are_checked() -> None:
    """Statement by statement."""
    page = (Path(__file__).parents[2] / "docs" / "postgres.md").read_text()
    documented = [line.rstrip(";") for line in page.splitlines() if line.startswith("GRANT ")]
    assert documented == [*grants("sessionkeeper", "app")]


async def test_a_role_that_may_not_create_is_told_what_to_grant(
    server: PostgresServer, name: str, role: str
) -> None:
    """The schema in the database, or the tables in a schema that is there."""
    url = server.url_of(role, schema=name)
    said = await refusal(url)
    assert f"there is no schema {name}, and the role {role} may not create it" in said
    assert "CREATE on the database" in said
    server.psql(f"CREATE SCHEMA {name}; GRANT USAGE ON SCHEMA {name} TO {role}")
    before = contents(server, name)
    assert await refusal(url) == f"the role {role} may not create tables in the schema {name}"
    assert contents(server, name) == before
    server.psql(f"GRANT CREATE ON SCHEMA {name} TO {role}")
    await opened(url)


@pytest.mark.parametrize("table", ["meta", "logs"])
async def test_rows_that_are_hidden_from_the_role_are_noticed(
    table: str, server: PostgresServer, postgres_url: str, name: str, role: str
) -> None:
    """A store that sees only a part of a table would number frames twice."""
    await opened(postgres_url)
    for statement in grants(name, role):
        server.psql(statement)
    server.psql(f"ALTER TABLE {name}.{table} ENABLE ROW LEVEL SECURITY")
    said = await refusal(server.url_of(role, schema=name))
    assert said == f"row-level security hides rows of {name}.{table} from the role"
    await opened(postgres_url)  # its owner sees all of them


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_is_not_utf8_is_refused(
    encoding: str, server: PostgresServer, name: str
) -> None:
    """It could not hold every text."""
    database = f"{name}_{encoding.lower()}"
    server.psql(
        f"CREATE DATABASE {database} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        " TEMPLATE template0"
    )
    try:
        url = server.url_of("postgres", database=database)
        assert await refusal(url) == f"the database has the encoding {encoding}: UTF8 is needed"
        assert contents(server, "sessionkeeper", database=database) == []
    finally:
        server.psql(f"DROP DATABASE {database} WITH (FORCE)")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("server_version\0{}.", "server_version\09.", "13 or newer is needed"),
        ("PostgreSQL {}.", "CockroachDB 2.", "the server is CockroachDB: PostgreSQL is needed"),
    ],
)
async def test_other_servers_and_old_ones_are_refused(
    old: str, new: str, reason: str, server: PostgresServer, postgres_url: str, name: str
) -> None:
    """Before a statement is sent that they may not know."""
    old, new = old.format(server.version), f"{new:<{len(old.format(server.version))}}"
    async with rewritten(server.port, old, new) as proxy:
        url = server.url_of("postgres", port=proxy.port, schema=name)
        assert reason in await refusal(url)
        assert proxy.replaced
    assert contents(server, name) == []


async def test_a_standby_is_refused_until_it_is_the_primary(
    own_postgres_server: PostgresServer,
) -> None:
    """It may become one: the error says that trying again can help. Its store is there then."""
    primary = own_postgres_server
    await opened(primary.url)
    replica = StreamingReplica(primary)
    try:
        replica.start()
        replica.catch_up()
        assert await refusal(replica.url) == "the server is a standby: name the primary"
        both = primary.url.replace(
            f"127.0.0.1:{primary.port}", f"127.0.0.1:{replica.port},127.0.0.1:{primary.port}"
        )
        found = await opened(both)
        assert (found.info.replicas, found.info.in_recovery) == (1, False)
        assert any("synchronous_standby_names is empty" in each for each in found.info.warnings)
        twice = replica.url.replace("127.0.0.1", f"127.0.0.1:{replica.port},127.0.0.1")
        assert await refusal(twice) == "none of the hosts accepts writes"
        primary.stop()
        replica.promote()
        assert (await opened(both, must_exist=True)).schema_oid == found.schema_oid
    finally:
        replica.close()


def test_a_standby_may_become_a_primary_and_a_newer_schema_no_older() -> None:
    """So only the first is worth another attempt."""
    assert is_lost(WrongServer("a standby", lasting=False))
    assert not is_lost(WrongServer("a newer schema"))


async def test_a_database_that_only_reads_is_refused(
    server: PostgresServer, name: str, role: str
) -> None:
    """Some providers set it when a disk is full."""
    server.psql(f"ALTER ROLE {role} SET default_transaction_read_only = on")
    said = await refusal(server.url_of(role, schema=name))
    assert said == "default_transaction_read_only is on: a store writes"


@pytest.mark.parametrize("mode", ["transaction", "session", "statement"])
@pytest.mark.parametrize("lenient", [False, True])
async def test_a_pooler_is_refused(
    mode: Any, lenient: bool, server: PostgresServer, name: str
) -> None:
    """Whether or not it passes on the settings that a store needs."""
    ignored = ",".join(("search_path", "lock_timeout", *_settings()))
    settings = {"ignore_startup_parameters": ignored} if lenient else {}
    pooler = PgBouncer(server, mode, settings)
    try:
        pooler.start()
        for _ in range(3):
            said = await refusal(pooler.url_of("postgres", schema=name))
            assert said.startswith("a connection pooler such as PgBouncer is between")
    finally:
        pooler.close()
    assert contents(server, name) == []


def _settings() -> list[str]:
    from sessionkeeper.backends.postgres import address

    return list(vars(address)["_SETTINGS"])


async def test_a_connection_has_the_settings_of_a_store(
    server: PostgresServer, postgres_url: str, name: str
) -> None:
    """Whatever the role or the database says; no plan reads a whole table."""
    connection = await PostgresAddress.of(postgres_url).connect(timeout=60, lock_timeout=0)
    try:
        for setting, value in {
            "search_path": f'"{name}", pg_temp',
            "lock_timeout": "1ms",  # 0 would be for ever
            "idle_in_transaction_session_timeout": "15s",
            "default_transaction_isolation": "read committed",
            "jit": "off",
            "plan_cache_mode": "force_generic_plan",
            "enable_seqscan": "off",
            "client_encoding": "UTF8",
            "application_name": "sessionkeeper",
            "tcp_keepalives_idle": "10",
        }.items():
            assert await connection.fetchval(f"SHOW {setting}") == value, setting
    finally:
        await connection.close()


async def test_what_lies_in_other_schemas_is_not_found(
    server: PostgresServer, postgres_url: str, role: str
) -> None:
    """A role may have a temporary table of the same name, and one in public."""
    await opened(postgres_url)
    connection = await PostgresAddress.of(postgres_url).connect(timeout=60, lock_timeout=60)
    try:
        await connection.execute("CREATE TEMPORARY TABLE meta (id int, application text)")
        found = await connection.fetchval("SELECT application FROM meta WHERE id = 1")
        assert found == "sessionkeeper"
    finally:
        await connection.close()


SETTINGS: list[tuple[dict[str, str], Durability, str, str]] = [
    ({}, Durability.DISK, "every acknowledged write", ""),
    ({"synchronous_commit": "local"}, Durability.DISK, "every acknowledged write", ""),
    (
        {"synchronous_commit": "off"},
        Durability.SERVER,
        "all but about the last second (synchronous_commit off)",
        "synchronous_commit is off",
    ),
    (
        {"fsync": "off"},
        Durability.OS,
        "not certain after a power cut: anything (fsync off)",
        "fsync is off",
    ),
    (
        {"full_page_writes": "off"},
        Durability.OS,
        "every acknowledged write, but a power cut can damage pages (full_page_writes off)",
        "full_page_writes is off",
    ),
]


async def test_settings_that_may_lose_data_are_said(own_postgres_server: PostgresServer) -> None:
    """What an acknowledgement means, what survives, and a warning that names the setting."""
    server = own_postgres_server
    usual = {"synchronous_commit": "on", "fsync": "on", "full_page_writes": "on"}
    for changed, durability, words, warning in SETTINGS:
        server.configure(**{**usual, **changed})
        info = (await opened(server.url)).info
        said = info.statistics()
        assert (info.durability, said.durability) == (durability, words)
        assert (said.product, said.version.split(".")[0]) == ("PostgreSQL", str(server.version))
        assert [each for each in said.warnings if warning not in each] == []
        assert bool(said.warnings) == bool(warning)
    assert said.timeouts["idle_in_transaction_session_timeout"] == 15.0
    assert said.timeouts["idle_session_timeout"] == said.timeouts["transaction_timeout"] is None
    server.configure(**usual)
    server.psql("ALTER ROLE postgres SET statement_timeout = '1500ms'")
    assert (await opened(server.url)).info.timeouts["statement_timeout"] == 1.5


async def test_a_synchronous_standby_is_part_of_an_acknowledgement(
    own_postgres_server: PostgresServer,
) -> None:
    """What it means follows `synchronous_commit`."""
    replica = StreamingReplica(own_postgres_server, synchronous=True)
    try:
        replica.start()
        info = (await opened(own_postgres_server.url)).info
        assert info.statistics().acknowledged == (
            "the transaction was flushed to the server's disk, and flushed by the synchronous"
            f" standbys ({replica.name})"
        )
        assert info.warnings == ()
        own_postgres_server.configure(synchronous_commit="remote_write")
        info = (await opened(own_postgres_server.url)).info
        assert "not flushed there" in info.statistics().acknowledged
        assert "synchronous_commit is remote_write" in info.warnings[0]
        own_postgres_server.configure(synchronous_standby_names="", synchronous_commit="on")
    finally:
        replica.close()
