"""A load on a database that others use: in a schema of its own, which is gone afterwards."""

from __future__ import annotations

import json

import pytest
from postgres_schemas import own_schema
from postgres_server import PostgresServer
from sessionkeeper.cli.app import run

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

QUICK = ["--seconds", "0.1", "--warmup", "0", "--rounds", "1", "--sessions", "20"]


def test_a_load_leaves_a_database_as_it_was(
    postgres_server: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two processes in one schema, which is not that of the URL; what they were told is there."""
    schemas = "SELECT nspname FROM pg_namespace ORDER BY nspname"
    with own_schema(postgres_server) as schema:
        postgres_server.psql(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.precious (x int)")
        before = postgres_server.psql(schemas)
        url = postgres_server.url_of("postgres", schema=schema)
        asked = ["--store", url, "--workers", "2", "--mix", "hot", "--callers", "8"]
        assert run(["bench", *asked, *QUICK, "--frames-each", "3", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["subjects"][0]["name"] == f"postgresql://127.0.0.1:{postgres_server.port}"
        [measured] = [each["measured"][0] for each in told["subjects"]]
        assert measured["stored"]["checked"]
        assert measured["stored"]["messages"] > 0
        lost = (measured["stored"]["lost_messages"], measured["stored"]["extra_messages"])
        assert lost == (0, 0)
        assert postgres_server.psql(schemas) == before
        assert postgres_server.psql(f"SELECT count(*) FROM {schema}.precious") == "0"


def test_a_database_that_cannot_be_used_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Without the password."""
    for url in ("postgresql://u:hunter2@127.0.0.1:1/d", "postgresql://u:hunter2@h/d?x=1"):
        assert run(["bench", "--store", url, *QUICK]) == 2
        said = capsys.readouterr()
        assert said.err.count("\n") == 1
        assert "hunter2" not in said.err + said.out
