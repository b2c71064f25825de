"""cashews: a cache with decorators, locks and something called transactions."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from ..subject import Work
from .optional_import import import_peer_module
from .redis_keys import check_server, delete_keys, new_prefix
from .value_peer import NO_ATOMIC_CHANGE, NO_LOG, SessionValue, ValuePeer

__all__ = ["CashewsMemory", "CashewsRedis"]

HOUR = 3600
PACKAGE = "cashews"
# The default of 1,000 entries would drop sessions in the middle of a run.
ENTRIES = 10_000_000
LIMITATIONS = (f"{NO_ATOMIC_CHANGE}, inside `transaction()` too; `incr` is atomic", NO_LOG)


class Cashews(ValuePeer):
    """`get`, `set`, `expire`, `scan` of a cache."""

    offers: ClassVar[frozenset[Work]] = ValuePeer.offers | {Work.TOUCH, Work.LIST}
    _cache: Any
    _prefix: str

    async def open(self) -> None:
        """Connect, or begin to look for what has expired."""
        await self._cache.init()

    async def aclose(self) -> None:
        """Close the cache."""
        await self._cache.close()

    async def fetch(self, key: str) -> SessionValue | None:
        """`get`."""
        found: SessionValue | None = await self._cache.get(self._prefix + key)
        return found

    async def store(self, key: str, state: SessionValue) -> None:
        """`set`."""
        await self._cache.set(self._prefix + key, state)

    async def create(self, key: str) -> None:
        """`set` of what must not exist."""
        made = await self._cache.set(self._prefix + key, {"state": "", "counter": 0}, exist=False)
        if not made:
            raise ValueError("the session exists already")

    async def touch(self, key: str) -> None:
        """`expire`: an hour from now."""
        await self._cache.expire(self._prefix + key, HOUR)

    async def list(self) -> int:
        """`scan`."""
        return len([key async for key in self._cache.scan(f"{self._prefix}*")])

    async def delete(self, key: str) -> None:
        """`delete`."""
        await self._cache.delete(self._prefix + key)


class CashewsMemory(Cashews):
    """`mem://`, with room for all sessions."""

    name: ClassVar[str] = "cashews"
    limitations: ClassVar[tuple[str, ...]] = (
        *LIMITATIONS,
        "no durability",
        "drops the least recently used session when there are more than its size, 1,000 by default",
    )

    def __init__(self) -> None:
        self._cache = import_peer_module(PACKAGE, PACKAGE).Cache()
        self._cache.setup("mem://", size=ENTRIES)
        self._prefix = ""


class CashewsRedis(Cashews):
    """`redis://`, with JSON in place of the pickles that are the default."""

    name: ClassVar[str] = "cashews-redis"
    limitations: ClassVar[tuple[str, ...]] = (
        *LIMITATIONS,
        "pickles by default: anyone who can write to that Redis can run code here"
        " (JSON in this run)",
        "hides that its server is unreachable: a failed write looks successful",
    )

    def __init__(self, url: str) -> None:
        import_peer_module("redis.asyncio", "redis")
        self._url = url
        self._cache = import_peer_module(PACKAGE, PACKAGE).Cache()
        self._cache.setup(url, pickle_type="json")
        self._prefix = f"{new_prefix()}:"

    async def open(self) -> None:
        """Ask whether the server is there, which it would not tell."""
        await check_server(self._url)
        await super().open()

    async def aclose(self) -> None:
        """Leave no key behind."""
        with warnings.catch_warnings():
            # It closes its client by a method that redis-py has given up.
            warnings.simplefilter("ignore", DeprecationWarning)
            await super().aclose()
        await delete_keys(self._url, self._prefix)
