"""A client of redis-py, which names few types."""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis

__all__ = ["client_of"]


def client_of(url: str, **options: object) -> Any:
    """Make one; it connects when it is first used."""
    kind: Any = Redis
    return kind.from_url(url, **options)
