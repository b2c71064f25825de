"""A part of a Redis for one run: keys with a beginning of their own, deleted at the end."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from .optional_import import import_peer_module

__all__ = ["make_client", "delete_keys", "new_prefix", "check_server"]


def new_prefix() -> str:
    """Begin the keys of one run like no other's."""
    return f"peer-{uuid4().hex}"


def make_client(url: str, **options: object) -> Any:
    """Make a client of redis-py; it connects when it is first used."""
    return import_peer_module("redis.asyncio", "redis").Redis.from_url(url, **options)


async def delete_keys(url: str, prefix: str) -> None:
    """Delete all keys that have this in them: peers put names of their own before it."""
    client = make_client(url)
    try:
        batch: list[bytes] = []
        async for key in client.scan_iter(match=f"*{prefix}*", count=1000):
            batch.append(key)
            if len(batch) == 1000:
                await client.unlink(*batch)
                batch.clear()
        if batch:
            await client.unlink(*batch)
    finally:
        await client.aclose()


async def check_server(url: str) -> None:
    """Raise what redis-py raises when no server answers."""
    client = make_client(url)
    try:
        await client.ping()
    finally:
        await client.aclose()
