"""Designs that need a Redis or Valkey server; they are compared only when a server is named.

Rule: each run deletes its own keys, and no other key is touched. Read `designs`, `actor`,
`lists_on_server`, then the wrong designs.
"""

from __future__ import annotations

from uuid import uuid4

from sessionkeeper.backends.redis.client.address import RedisAddress

from ..catalogue import Design

__all__ = ["ON_REDIS", "RedisDesigns"]

ON_REDIS = ("redis", "get-then-set", "pipeline-without-script", "client-retries")
"""Names of the designs; the first one is right."""


class RedisDesigns:
    """The designs of one comparison on one server; all their keys have a unique prefix.

    Raises `ValueError` for anything but a `redis://` URL, without showing it, and
    `BackendNotImplemented` without redis-py.
    """

    def __init__(self, url: str, /) -> None:
        RedisAddress.of(url)
        if not url.lower().startswith("redis://"):  # some designs use redis-py's own client
            raise ValueError("designs are compared on a single server with a redis:// URL")
        self._url = url
        self._prefix = f"compare-{uuid4().hex}"

    def designs(self) -> tuple[Design, ...]:
        """Return the designs. This sends nothing; each run deletes its own keys at its end."""
        from .designs import make_designs

        return make_designs(self._url, self._prefix)

    async def check_server(self) -> None:
        """Check that a store can be opened there. Raises `StoreUnavailable`."""
        from .actor import TemporaryRedisStore

        async with TemporaryRedisStore(self._url, prefix=self._prefix):
            pass

    def leave(self) -> None:
        """Delete the keys of an interrupted run, in time proportional to the server's keys.

        Does nothing if the server cannot be reached.
        """
        from .client import delete_keys

        delete_keys(self._url, self._prefix)
