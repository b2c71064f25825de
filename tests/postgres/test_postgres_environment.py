"""What the environment says of the server: read, or refused in one line, never passed over."""

from __future__ import annotations

import os

import pytest
from postgres_server import PostgresServer
from sessionkeeper import PostgresSessionStore, StoreUnavailable

# What is tested runs on threads of the store, with a loop of their own.
pytestmark = pytest.mark.any_loop


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what the machine of the tests has set."""
    for name in [each for each in os.environ if each.startswith("PG")]:
        monkeypatch.delenv(name)


async def refusal(url: str) -> str:
    """What is said of a server that is not opened."""
    with pytest.raises(StoreUnavailable) as refused:
        await PostgresSessionStore(url, patience=0.1).open()
    return refused.value.reason


@pytest.mark.parametrize("port", ["x", "-1", "0", "65536", "99999999", "5432,", "٣"])
@pytest.mark.parametrize("hosts", ["127.0.0.1", "127.0.0.1,127.0.0.1:1", ""])
async def test_a_port_that_is_none_is_refused(
    hosts: str, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads it: this library or asyncpg."""
    monkeypatch.setenv("PGPORT", port)
    said = await refusal(f"postgresql://postgres@{hosts}/d")
    assert said.endswith("PGPORT is not a port from 1 to 65535")


async def test_ports_of_the_environment_belong_to_the_hosts_of_the_url(
    postgres_server: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for all, or one for each, as in libpq."""
    own = str(postgres_server.port)
    query = postgres_url.partition("?")[2]
    for hosts, ports in [
        ("127.0.0.1", own),
        ("127.0.0.1,127.0.0.1", own),
        ("127.0.0.1,127.0.0.1", f"1,{own}"),
        ("127.0.0.1:1,127.0.0.1", f"2,{own}"),
    ]:
        monkeypatch.setenv("PGPORT", ports)
        async with PostgresSessionStore(f"postgresql://postgres@{hosts}/postgres?{query}") as store:
            assert await store.count_sessions() == 0
    monkeypatch.setenv("PGPORT", f"1,2,{own}")
    said = await refusal(f"postgresql://postgres@127.0.0.1,127.0.0.1/postgres?{query}")
    assert said.endswith("PGPORT is not one port, or one for each host of the URL")


@pytest.mark.parametrize("name", ["PGSERVICE", "PGHOSTADDR"])
async def test_a_server_is_not_taken_in_place_of_one_that_is_named_elsewhere(
    name: str, postgres_server: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service may ask for TLS, too. Where the URL names the server, it is the URL's."""
    monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("PGPORT", str(postgres_server.port))
    said = await refusal("postgresql://postgres@/postgres")
    assert said.endswith(f"{name} is not read: name the server in the URL or unset it")
    async with PostgresSessionStore(postgres_url) as store:
        assert await store.count_sessions() == 0
