"""The requirements on a server for opening a store, and the report about it."""

from __future__ import annotations

import asyncio

import pytest
from redis_fleet import Fleet
from redis_ports import ReservedPort
from sessionkeeper import StoreUnavailable
from sessionkeeper.backends.redis.client.address import RedisAddress
from sessionkeeper.backends.redis.client.server_info import ServerInfo
from sessionkeeper.backends.redis.client.single_server import SingleServer


async def read_facts(url: str, *, allow_eviction: bool = False) -> ServerInfo:
    servers = SingleServer(RedisAddress.of(url), allow_eviction=allow_eviction)
    try:
        return await servers.open()
    finally:
        await servers.aclose()


async def refusal_of(url: str) -> str:
    with pytest.raises(StoreUnavailable) as refused:
        await read_facts(url)
    return refused.value.reason


async def test_the_product_and_what_a_restart_brings_back_are_read(fleet: Fleet) -> None:
    """The settings of the server are described in plain words."""
    server = fleet.start()
    server_info = await read_facts(server.url)
    assert server_info.product == fleet.engine.name
    assert int(server_info.version.split(".")[0]) >= 7
    assert server_info.durability == "nothing"
    assert "appendonly" in server_info.warnings[0]
    server.configure("save", "60 1")
    assert (await read_facts(server.url)).durability == "the last snapshot"
    server.configure("appendonly", "yes")
    words = {
        "no": "all but what the system had not written yet (appendfsync no)",
        "everysec": "all but about the last second (appendfsync everysec)",
        "always": "every write (appendfsync always)",
    }
    for plan_context, durability in words.items():
        server.configure("appendfsync", plan_context)
        server_info = await read_facts(server.url)
        assert (server_info.durability, server_info.warnings) == (durability, ())


async def test_a_policy_that_may_drop_sessions_is_refused_by_name_unless_it_is_allowed(
    fleet: Fleet,
) -> None:
    """`allkeys-*` with a limit. `volatile-*` only drops keys with a time to live."""
    server = fleet.start(maxmemory="100mb")
    for policy in ("noeviction", "volatile-lru", "volatile-ttl"):
        server.configure("maxmemory-policy", policy)
        assert (await read_facts(server.url)).eviction == policy
    for policy in ("allkeys-lru", "allkeys-lfu", "allkeys-random"):
        server.configure("maxmemory-policy", policy)
        assert f"maxmemory-policy {policy}" in await refusal_of(server.url)
        allowed = await read_facts(server.url, allow_eviction=True)
        assert any(policy in warning for warning in allowed.warnings)
    server.configure("maxmemory", 0)
    assert (await read_facts(server.url)).maxmemory == 0


async def test_a_replica_is_refused_and_a_primary_counts_its_replicas(fleet: Fleet) -> None:
    """Writes to a replica would be refused forever."""
    primary = fleet.start()
    replica = fleet.start_replica(primary)
    assert "replica" in await refusal_of(replica.url)
    assert (await read_facts(primary.url)).replicas == 1


async def test_a_node_of_a_cluster_is_not_taken_for_one_server(fleet: Fleet) -> None:
    """The refusal names the URL to use."""
    bus = ReservedPort()
    try:
        node = fleet.start(cluster_enabled="yes", cluster_port=bus.number)
        assert "redis+cluster://" in await refusal_of(node.url)
    finally:
        bus.free()


async def test_facts_the_user_may_not_read_are_unknown(fleet: Fleet) -> None:
    """CONFIG is often forbidden; INFO is needed."""
    server = fleet.start(appendonly="yes")
    url = server.add_user("some", "pass", "~*", "+@all", "-config")
    server_info = await read_facts(url)
    assert server_info.durability == "the append-only file (appendfsync unknown)"
    server.configure("appendonly", "no")
    assert (await read_facts(url)).durability == "unknown"
    url = server.add_user("less", "pass", "~*", "+@all", "-info")
    assert "INFO" in await refusal_of(url)


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ("redis_version:6.2.14\r\nredis_mode:standalone\r\nrole:master", "version 6.2.14"),
        ("redis_version:7.0.0\r\nredis_mode:sentinel", "sentinel"),
        ("redis_version:7.0.0\r\nloading:1\r\nrole:master", "LOADING"),
        ("no info", "version"),
    ],
)
async def test_an_old_server_a_sentinel_and_one_that_loads_are_refused(
    info: str, reason: str
) -> None:
    """Only their descriptions are tested; these servers cannot all be started here."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"HELLO\r\n$1\r\n3\r\n")
        writer.write(b"%1\r\n+proto\r\n:3\r\n")
        await reader.readuntil(b"sessionkeeper\r\n")
        writer.write(b"+OK\r\n")
        await reader.readuntil(b"appendfsync\r\n")
        writer.write(f"={len(info) + 4}\r\ntxt:{info}\r\n-NOPERM no\r\n".encode())
        await reader.read()
        writer.close()
        await writer.wait_closed()
        hung_up.set()

    hung_up = asyncio.Event()
    async with await asyncio.start_server(speak, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        assert reason in await refusal_of(f"redis://127.0.0.1:{port}")
        await hung_up.wait()
