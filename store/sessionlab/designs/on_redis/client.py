"""Clients of redis-py, which names few types."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import redis
from redis.asyncio import Redis

__all__ = ["client_of", "delete_keys"]


def client_of(url: str, **options: object) -> Any:
    """Make one; it connects when it is first used."""
    kind: Any = Redis
    return kind.from_url(url, **options)


def delete_keys(url: str, prefix: str) -> None:
    """Delete every key whose name begins with a brace and this prefix; blocks."""
    kind: Any = redis.Redis
    with suppress(redis.RedisError), kind.from_url(url, socket_timeout=5.0) as client:
        # Braces mean nothing in a pattern, and nothing else in a prefix of ours does.
        for key in client.scan_iter(match=f"{{{prefix}*", count=1_000):
            client.unlink(key)
