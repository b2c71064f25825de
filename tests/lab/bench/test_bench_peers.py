"""Peers do what they say they do, for one caller; those that are installed, each by its name."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import PostgresServer
from redis_engines import usual_engine
from redis_fleet import Fleet
from redis_watchdog import Watchdog
from sessionlab.bench import Subject, Work
from sessionlab.bench.peers import PeerStorage, find_peer, peer_names

INSTALLED = [name for name in peer_names() if find_peer(name).installed]
PAYLOAD = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"x":"%s"}}' % (b"x" * 900)


def offering(*works: Work) -> list[str]:
    """The installed peers that offer all of this."""
    return [name for name in INSTALLED if offers(name).issuperset(works)]


def offers(name: str) -> frozenset[Work]:
    """What a peer offers, by its class: it is not made."""
    return find_peer(name).subject_class().offers


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of these tests' own."""
    watchdog = Watchdog()
    fleet = Fleet(usual_engine(), tmp_path_factory.mktemp("redis"), watchdog)
    try:
        yield fleet.start().url
    finally:
        fleet.close()
        watchdog.close()


def make(name: str, request: pytest.FixtureRequest, folder: Path) -> Subject:
    """Make a peer, with a server if it needs one."""
    peer = find_peer(name)
    if peer.place is PeerStorage.REDIS:
        return peer.make(redis_url=request.getfixturevalue("redis_url"))
    if peer.place is PeerStorage.POSTGRES:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        # The schema is that of a store; not every package knows the option.
        url = server.url_of("postgres", schema="not_theirs", sslmode="disable")
        return peer.make(postgres_url=url)
    return peer.make(path=folder / name)


@pytest.mark.parametrize("name", offering(Work.APPEND, Work.READ))
async def test_appended_messages_of_a_peer_can_be_read_back(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """`append`, `append_many`, `read` and `count_stored` agree, session by session."""
    subject = make(name, request, tmp_path)
    await subject.open()
    try:
        for key in ("a", "b"):
            await subject.create(key)
        for _ in range(3):
            await subject.append("a", PAYLOAD)
        await subject.append_many("b", [PAYLOAD] * 5)
        assert [(await subject.count_stored(key)).appended for key in ("a", "b")] == [3, 5]
        assert await subject.read("b", 2) == 2
    finally:
        await subject.aclose()


@pytest.mark.parametrize("name", offering(Work.MODIFY))
async def test_the_counter_of_a_peer_counts_what_one_caller_asks(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """`modify` adds one each time, and what is kept says so."""
    subject = make(name, request, tmp_path)
    await subject.open()
    try:
        for key in ("a", "b"):
            await subject.create(key)
        for _ in range(7):
            await subject.modify("a")
        assert [(await subject.count_stored(key)).counter for key in ("a", "b")] == [7, 0]
    finally:
        await subject.aclose()


@pytest.mark.parametrize("name", offering(Work.SET, Work.GET, Work.DELETE))
async def test_a_session_of_a_peer_is_there_until_it_is_deleted(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """`set` shows in `get`; after `delete` there is nothing, or an error that says so."""
    subject = make(name, request, tmp_path)
    await subject.open()
    try:
        await subject.create("a")
        await subject.set("a", b"something to be found")
        found = await subject.get("a")
        told = getattr(found, "state", found)
        assert "something to be found" in str(told)
        if Work.TOUCH in subject.offers:
            await subject.touch("a")
        if Work.LIST in subject.offers:
            assert await subject.list() == 1
        await subject.delete("a")
        with contextlib.suppress(LookupError):
            assert await subject.get("a") is None
    finally:
        await subject.aclose()


@pytest.mark.parametrize(
    "name", [n for n in INSTALLED if find_peer(n).place is PeerStorage.REDIS] or [None]
)
async def test_a_peer_in_redis_leaves_no_key_behind(
    name: str | None, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A run in somebody's Redis ends with the keys that were there before."""
    if name is None:
        redis = [n for n in peer_names() if find_peer(n).place is PeerStorage.REDIS]
        assert [find_peer(n).missing for n in redis].count(None) == 0
        return
    subject = make(name, request, tmp_path)
    await subject.open()
    await subject.create("a")
    if Work.APPEND in subject.offers:
        await subject.append("a", PAYLOAD)
    port = int(request.getfixturevalue("redis_url").rpartition(":")[2].partition("/")[0])
    assert key_count(port) > 0
    await subject.aclose()
    assert key_count(port) == 0


@pytest.mark.parametrize(
    "name", [n for n in INSTALLED if find_peer(n).place is PeerStorage.POSTGRES]
)
async def test_a_peer_in_postgres_leaves_no_table_behind(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A run in somebody's database ends with the tables and schemas that were there before."""
    server: PostgresServer = request.getfixturevalue("postgres_server")
    before = made_in(server)
    subject = make(name, request, tmp_path)
    await subject.open()
    await subject.create("a")
    await subject.append("a", PAYLOAD)
    schemas = {schema for schema, _ in made_in(server) - before}
    assert len(schemas) == 1
    await subject.aclose()
    assert made_in(server) == before


def made_in(server: PostgresServer) -> set[tuple[str, str | None]]:
    """The schemas and tables of the database, but for the server's own."""
    rows = server.rows(
        "SELECT nspname::text, relname::text FROM pg_namespace"
        " LEFT JOIN pg_class ON relnamespace = pg_namespace.oid"
        " WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
    )
    return {(schema, table) for schema, table in rows}


def key_count(port: int) -> int:
    """How many keys the server holds."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"DBSIZE\r\n")
        return int(connection.recv(64)[1:])
