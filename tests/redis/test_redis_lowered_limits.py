"""Limits that are lowered between two openings of a store on a server (Guarantees 8.7)."""

from __future__ import annotations

from redis_server import RedisServer
from sessionkeeper import RedisSessionStore

from tests.support.lowered_limits import check_lowered_limits


async def test_content_above_a_lowered_limit_can_be_read_ended_and_deleted(
    server: RedisServer, key_prefix: str
) -> None:
    prefix = key_prefix[:-1]
    await check_lowered_limits(
        lambda limits: RedisSessionStore(server.url, prefix=prefix, limits=limits)
    )
