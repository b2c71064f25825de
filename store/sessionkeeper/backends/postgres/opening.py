"""Opens the schema of a store, or makes it, and refuses others without changing them.

A schema appears whole or not at all: the statements that make it are one transaction, and an
advisory lock on its name lets one process of several do it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from .driver import asyncpg
from .errors import PoolerFound, WrongServer, is_pooler_error, note_place
from .schema import (
    APPLICATION,
    COLUMNS,
    CREATION_LOCK,
    RIGHTS,
    SEQUENCE,
    STORE_LOCK,
    TABLES,
    UPGRADES,
    VERSION,
    lock_key,
)
from .server_info import ServerInfo, read_server_info

__all__ = ["OpenedSchema", "open_schema"]

_OLDEST = 13
_PRODUCTS = ("PostgreSQL", "EnterpriseDB")

_NAMESPACE = """SELECT oid::bigint AS oid, has_schema_privilege(oid, 'USAGE') AS usage,
    has_schema_privilege(oid, 'CREATE') AS creation
    FROM pg_namespace WHERE nspname = $1"""
_MAY_CREATE = "SELECT has_database_privilege(current_database(), 'CREATE')"
# All that is in the schema, and of its tables the columns.
_RELATIONS = """SELECT c.relname AS name, c.relkind::text AS kind,
    c.relpersistence::text AS persistence, row_security_active(c.oid) AS hides_rows,
    ARRAY(SELECT a.attname::text FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
    FROM pg_class c WHERE c.relnamespace = $1::bigint::oid AND c.relkind <> 'i'"""
_RIGHTS = """SELECT given.name, given.privilege FROM unnest($2::text[], $3::text[])
    AS given(name, privilege)
    WHERE NOT has_table_privilege(format('%I.%I', $1::text, given.name), given.privilege)"""
_SEQUENCE_RIGHT = "SELECT has_sequence_privilege(format('%I.%I', $1::text, $2::text), 'USAGE')"


class OpenedSchema(NamedTuple):
    """A schema that is the store's, of this version."""

    info: ServerInfo
    schema_oid: int


async def open_schema(
    connection: asyncpg.Connection[Any], schema: str, *, must_exist: bool
) -> OpenedSchema:
    """Check the server, and find the store in this schema; make it unless it `must_exist`.

    `schema` was checked before, as `split_postgres_url` does. The connection is in no transaction.
    Of several processes at once, one makes the schema. Raises `WrongServer` with one line for what
    is no place for a store, and what asyncpg raises; then nothing was changed.
    """
    try:
        return await _open(connection, schema, must_exist)
    except Exception as error:
        note_place(error, getattr(connection, "address_name", ""))
        raise


async def _open(connection: asyncpg.Connection[Any], schema: str, must_exist: bool) -> OpenedSchema:
    try:
        info = await read_server_info(connection)
    except asyncpg.PostgresError as error:
        if is_pooler_error(error):
            raise PoolerFound from None
        raise
    _check_server(connection, info)
    found = await _look_once(connection, schema, info.role)
    if not found.is_current:
        if must_exist and found.version is None:
            raise WrongServer(f"there is no store in the schema {schema}")
        await _make_current(connection, schema, info)
        found = await _look_once(connection, schema, info.role)
    await _check_rights(connection, schema, info.role)
    return OpenedSchema(info, found.oid)


def _check_server(connection: asyncpg.Connection[Any], info: ServerInfo) -> None:
    if info.process != connection.get_server_pid():
        raise PoolerFound
    if info.product not in _PRODUCTS:
        raise WrongServer(f"the server is {info.product}: PostgreSQL is needed")
    if connection.get_server_version().major < _OLDEST:
        raise WrongServer(f"the server is version {info.version}: {_OLDEST} or newer is needed")
    if info.encoding != "UTF8":
        raise WrongServer(f"the database has the encoding {info.encoding}: UTF8 is needed")
    if info.in_recovery:
        raise WrongServer("the server is a standby: name the primary", lasting=False)
    if info.read_only:
        raise WrongServer("default_transaction_read_only is on: a store writes", lasting=False)


class _Found(NamedTuple):
    """What is in the schema."""

    oid: int
    version: int | None
    """None if it holds nothing, or is not there."""

    @property
    def is_current(self) -> bool:
        return self.version == VERSION


async def _look_once(connection: asyncpg.Connection[Any], schema: str, role: str) -> _Found:
    """Look at one moment: another process may be upgrading the tables."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return await _look(connection, schema, role)


async def _look(connection: asyncpg.Connection[Any], schema: str, role: str) -> _Found:
    """Look what is in the schema. Raises `WrongServer` unless it is a store's, or empty."""
    namespace = await connection.fetchrow(_NAMESPACE, schema)
    if namespace is None:
        return _Found(0, None)
    if not namespace["usage"]:
        raise WrongServer(f"the role {role} may not use the schema {schema}: {_need('USAGE')}")
    relations = await connection.fetch(_RELATIONS, namespace["oid"])
    if not relations:
        return _Found(namespace["oid"], None)
    version = await _read_version(connection, schema, relations)
    if version == VERSION:
        _check_tables(schema, relations)
    return _Found(namespace["oid"], version)


async def _read_version(
    connection: asyncpg.Connection[Any], schema: str, relations: Iterable[asyncpg.Record]
) -> int:
    foreign = WrongServer(f"the schema {schema} holds other tables: name another with ?schema=")
    columns = {each["name"]: each["columns"] for each in relations if each["kind"] == "r"}
    if not {"id", "application", "version"}.issubset(columns.get("meta", ())):
        raise foreign
    if any(each["hides_rows"] for each in relations if each["name"] == "meta"):
        raise _hidden(schema, "meta")
    query = f'SELECT application::text, version::bigint FROM "{schema}".meta WHERE id = 1'  # noqa: S608 - a checked name
    try:
        row = await connection.fetchrow(query)
    except asyncpg.InsufficientPrivilegeError:
        raise WrongServer(f"the role may not read {schema}.meta: {_need('SELECT')}") from None
    except asyncpg.PostgresError as error:
        if str(error.sqlstate).startswith(("22", "42")):  # `meta` has other types
            raise foreign from None
        raise
    if row is None or row["application"] != APPLICATION or row["version"] is None:
        raise foreign
    version: int = row["version"]
    if version > VERSION:
        raise WrongServer(
            f"the store in the schema {schema} has version {version}, newer than this library"
        )
    if version != VERSION and version not in UPGRADES:
        raise foreign
    return version


def _check_tables(schema: str, relations: Iterable[asyncpg.Record]) -> None:
    """Check that all tables are there and as they were made; the order of columns is free."""
    found = {each["name"]: each for each in relations}
    for name, columns in COLUMNS.items():
        table = found.get(name)
        # Partitions are the administrator's choice.
        if table is None or table["kind"] not in ("r", "p"):
            raise WrongServer(f"the schema {schema} has no table {name} any more")
        if set(table["columns"]) != set(columns):
            raise WrongServer(f"the table {schema}.{name} has other columns than it was made with")
        if table["persistence"] != "p":
            raise WrongServer(f"the table {schema}.{name} is UNLOGGED: a crash would empty it")
        if table["hides_rows"]:
            raise _hidden(schema, name)
    sequence = found.get(SEQUENCE)
    if sequence is None or sequence["kind"] != "S":
        raise WrongServer(f"the schema {schema} has no sequence {SEQUENCE} any more")


def _hidden(schema: str, name: str) -> WrongServer:
    return WrongServer(f"row-level security hides rows of {schema}.{name} from the role")


async def _check_rights(connection: asyncpg.Connection[Any], schema: str, role: str) -> None:
    pairs = [(table, right) for table, rights in RIGHTS.items() for right in rights]
    missing = await connection.fetch(_RIGHTS, schema, *map(list, zip(*pairs, strict=True)))
    if missing:
        name, privilege = missing[0]["name"], missing[0]["privilege"]
        raise WrongServer(f"the role {role} lacks {privilege} on {schema}.{name}: {_need()}")
    if not await connection.fetchval(_SEQUENCE_RIGHT, schema, SEQUENCE):
        raise WrongServer(f"the role {role} lacks USAGE on {schema}.{SEQUENCE}: {_need()}")


async def _make_current(connection: asyncpg.Connection[Any], schema: str, info: ServerInfo) -> None:
    """Create or upgrade the tables, unless another process did it meanwhile."""
    async with connection.transaction(isolation="read_committed"):
        await connection.execute(
            "SELECT pg_advisory_xact_lock($1::integer, $2::integer)",
            CREATION_LOCK,
            lock_key(schema),
        )
        found = await _look(connection, schema, info.role)
        if found.is_current:
            return
        if not found.oid:
            if not await connection.fetchval(_MAY_CREATE):
                raise WrongServer(
                    f"there is no schema {schema}, and the role {info.role} may not create it:"
                    f" {_need('CREATE on the database')}"
                )
            await connection.execute(f'CREATE SCHEMA "{schema}"')
        try:
            await _change(connection, schema, found)
        except asyncpg.InsufficientPrivilegeError:
            what = "create tables in" if found.version is None else "upgrade the store in"
            raise WrongServer(f"the role {info.role} may not {what} the schema {schema}") from None


async def _change(connection: asyncpg.Connection[Any], schema: str, found: _Found) -> None:
    await connection.execute(f'SET LOCAL search_path TO "{schema}", pg_temp')
    if found.version is None:
        for statement in TABLES:
            await connection.execute(statement)
        await connection.execute(
            "INSERT INTO meta (id, application, version, last_number) VALUES (1, $1, $2, 0)",
            APPLICATION,
            VERSION,
        )
        return
    # No batch of another process runs meanwhile.
    await connection.execute(
        "SELECT pg_advisory_xact_lock($1::integer, $2::integer)", STORE_LOCK, lock_key(schema)
    )
    for version in range(found.version, VERSION):
        for statement in UPGRADES[version]:
            await connection.execute(statement)
    await connection.execute("UPDATE meta SET version = $1 WHERE id = 1", VERSION)


def _need(right: str = "") -> str:
    return f"{f'grant {right}; ' if right else ''}the rights are in docs/postgres.md"
