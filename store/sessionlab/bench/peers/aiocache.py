"""aiocache: a cache with one interface to memory and to Redis."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from ..subject import Work
from .optional_import import import_peer_module
from .redis_keys import delete_keys, new_prefix
from .value_peer import NO_ATOMIC_CHANGE, NO_LOG, SessionValue, ValuePeer

__all__ = ["AiocacheMemory", "AiocacheRedis"]

HOUR = 3600
PACKAGE = "aiocache"
LIMITATIONS = (
    f"{NO_ATOMIC_CHANGE}; `increment` is atomic, but changes only a number",
    NO_LOG,
    "no list of sessions",
)


class Aiocache(ValuePeer):
    """`get`, `set`, `add`, `expire` of a cache."""

    offers: ClassVar[frozenset[Work]] = ValuePeer.offers | {Work.TOUCH}
    _cache: Any

    async def fetch(self, key: str) -> SessionValue | None:
        """`get`."""
        found: SessionValue | None = await self._cache.get(key)
        return found

    async def store(self, key: str, state: SessionValue) -> None:
        """`set`."""
        await self._cache.set(key, state)

    async def create(self, key: str) -> None:
        """`add`, which refuses a key that is there."""
        await self._cache.add(key, {"state": "", "counter": 0})

    async def touch(self, key: str) -> None:
        """`expire`: an hour from now."""
        await self._cache.expire(key, HOUR)

    async def delete(self, key: str) -> None:
        """`delete`."""
        await self._cache.delete(key)

    async def aclose(self) -> None:
        """Close the cache."""
        await self._cache.close()


class AiocacheMemory(Aiocache):
    """`SimpleMemoryCache`, with its default time-out of 5 s around each call; 0 is none."""

    name: ClassVar[str] = "aiocache"
    limitations: ClassVar[tuple[str, ...]] = (
        *LIMITATIONS,
        "no durability",
        "no copy: a caller that changes a returned value changes the stored one",
    )

    def __init__(self, timeout: float = 5) -> None:
        self._cache = import_peer_module(PACKAGE, PACKAGE).SimpleMemoryCache(timeout=timeout)

    async def aclose(self) -> None:
        """End the timers of `touch` as well."""
        await self._cache.clear()
        await super().aclose()


class AiocacheRedis(Aiocache):
    """`RedisCache` with its JSON serializer."""

    name: ClassVar[str] = "aiocache-redis"
    limitations: ClassVar[tuple[str, ...]] = LIMITATIONS

    def __init__(self, url: str) -> None:
        self._url = url
        self._prefix = new_prefix()
        at = urlsplit(url)
        self._cache = import_peer_module("aiocache.backends.redis", PACKAGE).RedisCache(
            endpoint=at.hostname or "127.0.0.1",
            port=at.port or 6379,
            db=int(at.path.strip("/") or 0),
            password=None if at.password is None else unquote(at.password),
            ssl=at.scheme == "rediss",
            namespace=self._prefix,
        )

    async def aclose(self) -> None:
        """Leave no key behind."""
        # Its own `close` calls a method that redis-py has given up, and warns.
        await self._cache.client.aclose()
        await delete_keys(self._url, self._prefix)
