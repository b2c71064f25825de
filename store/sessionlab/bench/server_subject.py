"""A store on a Redis or Valkey server, which may hold other data too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from sessionkeeper.interface.atomic_store import AtomicSessionStore

from .store_subject import StoreSubject

__all__ = ["ServerSubject"]

_AT_ONCE = 1_000


class ServerSubject(StoreSubject):
    """A store under a prefix of its own; `clear` deletes all its keys.

    Other keys of the server are never touched.
    """

    is_isolated: ClassVar[bool] = True

    def __init__(
        self, make: Callable[[], Awaitable[AtomicSessionStore]], /, *, url: str, prefix: str
    ) -> None:
        super().__init__(make)
        scheme, _, rest = url.partition("://")
        plain, _, cluster = scheme.partition("+")
        # redis-py does not know the schemes of Valkey.
        plain = plain.replace("valkeys", "rediss").replace("valkey", "redis")
        self._cluster, self._url = bool(cluster), f"{plain}://{rest}"
        self._prefix = prefix

    async def memory_used(self) -> int | None:
        """Return the memory that the server uses, or all primaries of a cluster."""
        client = self._client()
        try:
            if self._cluster:
                told = await client.info("memory", target_nodes=RedisCluster.PRIMARIES)
                return sum(int(each["used_memory"]) for each in told.values())
            return int((await client.info("memory"))["used_memory"])
        finally:
            await client.aclose()

    async def clear(self) -> None:
        """Delete all keys of the prefix on all nodes."""
        client = self._client()
        try:
            keys: list[bytes] = []
            # Braces have no meaning in a pattern, and our prefix has no other special character.
            async for key in client.scan_iter(match=f"{{{self._prefix}:*", count=_AT_ONCE):
                keys.append(key)
                if len(keys) == _AT_ONCE:
                    await client.unlink(*keys)
                    keys.clear()
            if keys:
                await client.unlink(*keys)
        finally:
            await client.aclose()

    def _client(self) -> Any:
        kind: Any = RedisCluster if self._cluster else Redis
        return kind.from_url(self._url)
