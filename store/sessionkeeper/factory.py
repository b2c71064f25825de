"""From configuration to an open store."""

from __future__ import annotations

from .actor_store import ActorSessionStore
from .atomic import AtomicSessionStore
from .backend_config import (
    MemoryBackend,
    RedisBackend,
    SQLiteBackend,
    StorageBackend,
    backend_from_url,
)
from .errors import BackendNotImplemented
from .sqlite_store import SQLiteSessionStore

__all__ = ["StorageFactory"]


class StorageFactory:
    """Makes stores."""

    @staticmethod
    async def create(backend: StorageBackend | str, /) -> AtomicSessionStore:
        """Open the store a configuration or a URL asks for; close it with `aclose`.

        Raises `TypeError`, `ValueError` for a bad configuration, `StoreUnavailable` for a file
        that cannot be opened or is no store's, `BackendNotImplemented` for Redis, which this
        version only knows how to configure.
        """
        if isinstance(backend, str):
            backend = backend_from_url(backend)
        if isinstance(backend, MemoryBackend):
            return await ActorSessionStore(
                limits=backend.limits,
                capacity=backend.capacity,
                capacity_bytes=backend.capacity_bytes,
            ).open()
        if isinstance(backend, SQLiteBackend):
            return await SQLiteSessionStore(
                backend.path,
                durability=backend.durability,
                limits=backend.limits,
                capacity=backend.capacity,
                capacity_bytes=backend.capacity_bytes,
            ).open()
        if isinstance(backend, RedisBackend):
            raise BackendNotImplemented(backend.kind)
        raise TypeError(f"a StorageBackend or a URL is expected, not {type(backend).__name__}")
