"""py-key-value-aio: one interface to many stores of values, the one that fastmcp uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ..subject import Work
from .optional_import import import_peer_module
from .redis_keys import delete_keys, new_prefix
from .value_peer import NO_ATOMIC_CHANGE, NO_LOG, SessionValue, ValuePeer

__all__ = ["KeyValueDisk", "KeyValueMemory", "KeyValueRedis"]

PACKAGE = "py-key-value-aio"
LIMITATIONS = (
    NO_ATOMIC_CHANGE,
    NO_LOG,
    "no create that refuses: two concurrent creators both succeed",
    "no touch: to extend a lifetime, the value is written again",
)


class KeyValuePeer(ValuePeer):
    """`get`, `put`, `delete` of a store."""

    _store: Any
    _collection: str = "sessions"

    async def open(self) -> None:
        """Make the collection before anything is measured."""
        await self._store.setup()

    async def fetch(self, key: str) -> SessionValue | None:
        """`get`."""
        found: SessionValue | None = await self._store.get(key, collection=self._collection)
        return found

    async def store(self, key: str, state: SessionValue) -> None:
        """`put`."""
        await self._store.put(key, state, collection=self._collection)

    async def delete(self, key: str) -> None:
        """`delete`."""
        await self._store.delete(key, collection=self._collection)


class KeyValueMemory(KeyValuePeer):
    """`MemoryStore`."""

    name: ClassVar[str] = "py-key-value"
    offers: ClassVar[frozenset[Work]] = ValuePeer.offers | {Work.LIST}
    limitations: ClassVar[tuple[str, ...]] = (
        *LIMITATIONS,
        "no durability",
        "lists 10,000 sessions at most",
    )

    def __init__(self) -> None:
        self._store = import_peer_module("key_value.aio.stores.memory", PACKAGE).MemoryStore()

    async def list(self) -> int:
        """`keys`."""
        return len(await self._store.keys(collection=self._collection))


class KeyValueDisk(KeyValuePeer):
    """`DiskStore`: diskcache, which is SQLite, on the event loop's own thread."""

    name: ClassVar[str] = "py-key-value-disk"
    limitations: ClassVar[tuple[str, ...]] = (
        *LIMITATIONS,
        "no list of sessions",
        "a write does not wait for the disk (synchronous=NORMAL), but blocks the event loop",
    )

    def __init__(self, path: Path) -> None:
        import_peer_module("diskcache", PACKAGE)
        self._store = import_peer_module("key_value.aio.stores.disk", PACKAGE).DiskStore(
            directory=path
        )

    async def aclose(self) -> None:
        """Close the files."""
        await self._store.close()


class KeyValueRedis(KeyValuePeer):
    """`RedisStore`."""

    name: ClassVar[str] = "py-key-value-redis"
    limitations: ClassVar[tuple[str, ...]] = (*LIMITATIONS, "no list of sessions")

    def __init__(self, url: str) -> None:
        self._url = url
        self._collection = new_prefix()
        self._store = import_peer_module("key_value.aio.stores.redis", PACKAGE).RedisStore(url=url)

    async def aclose(self) -> None:
        """Leave no key behind."""
        await self._store.close()
        await delete_keys(self._url, self._collection)
