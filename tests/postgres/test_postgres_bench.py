"""A load on a database that others use: in a schema of its own, which is gone afterwards."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from postgres_schemas import own_schema
from postgres_server import PostgresServer
from sessionkeeper.cli.app import run
from sessionlab.bench.peers import PEERS, PeerStorage
from sessionlab.bench.side_by_side import ComparisonPlan, compare_sides, select_lines

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop

SCHEMAS = "SELECT nspname FROM pg_namespace ORDER BY nspname"
BESIDE = ["bench", "--peers", "--seconds", "0.5", "--rounds", "1", "--loop", "asyncio"]
QUICK = ["--seconds", "0.5", "--warmup", "0", "--rounds", "1", "--sessions", "20"]


def test_a_load_leaves_a_database_as_it_was(
    postgres_server: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two processes in one schema, which is not that of the URL; what they were told is there."""
    with own_schema(postgres_server) as schema:
        postgres_server.psql(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.precious (x int)")
        before = postgres_server.psql(SCHEMAS)
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
        assert postgres_server.psql(SCHEMAS) == before
        assert postgres_server.psql(f"SELECT count(*) FROM {schema}.precious") == "0"


def test_a_database_that_cannot_be_used_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Without the password."""
    for url in ("postgresql://u:hunter2@127.0.0.1:1/d", "postgresql://u:hunter2@h/d?x=1"):
        assert run(["bench", "--store", url, *QUICK]) == 2
        said = capsys.readouterr()
        assert said.err.count("\n") == 1
        assert "hunter2" not in said.err + said.out


BY_HAND = frozenset({"asyncpg, a pool of 16", "asyncpg, one connection"})
PACKAGES = {name: each for name, each in PEERS.items() if each.place is PeerStorage.POSTGRES}


@pytest.mark.parametrize(
    ("text", "beside"),
    [
        ("postgresql: add_frame, all on one", {*BY_HAND, "mcp-persist-postgres"}),
        # Some take a hundredth of a second a message.
        pytest.param("google-adk-postgres", BY_HAND | PACKAGES.keys(), marks=pytest.mark.long),
    ],
)
def test_all_sides_on_postgres_are_compared_and_leave_a_database_as_it_was(
    text: str,
    beside: set[str],
    postgres_server: PostgresServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What the URL says of the schema and of TLS is understood for each package."""
    before = postgres_server.psql(SCHEMAS)
    page = tmp_path / "peers.html"
    url = postgres_server.url_of("postgres", schema="precious", sslmode="disable")
    asked = ["--postgres", url, "--lines", text, "--html", str(page)]
    assert run([*BESIDE, *asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    away = {name for name, each in PACKAGES.items() if name in beside and not each.installed}
    assert {each["name"] for each in told["absent"]} == away
    assert all(each["reason"].startswith("not installed: pip ") for each in told["absent"])
    [line] = told["lines"]
    assert {side["name"] for side in line["theirs"]} == beside - away
    assert "PostgreSQL: add_frame" in page.read_text("utf-8")
    assert postgres_server.psql(SCHEMAS) == before


def test_a_role_without_rights_is_told_what_is_missing_before_anything_is_measured(
    postgres_server: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, without its password."""
    url = postgres_server.add_role("may_only_look", password="hunter2")
    try:
        assert run([*BESIDE, "--postgres", url]) == 2
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert "--postgres: 127.0.0.1" in said.err
        assert "grant CREATE on the database" in said.err
        assert "hunter2" not in said.err
    finally:
        postgres_server.psql("DROP ROLE may_only_look")


async def test_a_database_that_goes_away_takes_its_line_and_no_other(
    own_postgres_server: PostgresServer,
) -> None:
    """The sides that failed are named, each with the line in which it did."""

    def stops_the_server(text: str, /, *, done: int, total: int) -> None:
        if done == 0:
            own_postgres_server.stop("immediate")

    servers = {PeerStorage.POSTGRES: own_postgres_server.url}
    lines = select_lines(["postgresql: add_frame, one caller", "memory: add_frames of"])
    plan = ComparisonPlan(lines[::-1], servers, seconds=0.05, rounds=1)
    result = await asyncio.wait_for(compare_sides(plan, tell=stops_the_server), 300)
    assert [each.title for each in result.lines] == ["memory: add_frames of 64"]
    failed = {each.name: each.reason for each in result.absent}
    assert failed.keys() >= {"sessionkeeper", "asyncpg, one connection"}
    assert failed["sessionkeeper"] == "PostgreSQL: add_frame, one caller: StoreUnavailable"
    assert not result.interrupted
