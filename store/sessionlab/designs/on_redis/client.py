"""Clients of redis-py, which has few type annotations."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.asyncio import Redis

__all__ = ["delete_keys", "find_server", "make_client", "redirect"]

_PORT = 6379


def find_server(url: str) -> tuple[str, int]:
    """Return host and port of the server."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORT


def redirect(url: str, port: int) -> str:
    """Return the URL with the proxy that listens on this port in place of the server."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}{at}127.0.0.1:{port}").geturl()


def make_client(url: str, **options: object) -> Any:
    """Make a client; it connects at its first use."""
    kind: Any = Redis
    return kind.from_url(url, **options)


def delete_keys(url: str, prefix: str) -> None:
    """Delete every key whose name begins with a brace and this prefix; blocks."""
    kind: Any = redis.Redis
    with suppress(redis.RedisError), kind.from_url(url, socket_timeout=5.0) as client:
        # Braces have no meaning in a pattern, and our prefix has no other special character.
        for key in client.scan_iter(match=f"{{{prefix}*", count=1_000):
            client.unlink(key)
