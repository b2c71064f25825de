"""From configuration to an open store.

Only the module of the requested backend is imported.
"""

from __future__ import annotations

from ..interface.atomic_store import AtomicSessionStore
from .config import (
    MemoryBackend,
    PostgresBackend,
    RedisBackend,
    SQLiteBackend,
    StorageBackend,
    backend_from_url,
)

__all__ = ["StorageFactory"]


class StorageFactory:
    """Makes stores."""

    @staticmethod
    async def create(backend: StorageBackend | str, /) -> AtomicSessionStore:
        """Open the store of a configuration or a URL; close it with `aclose`.

        Raises `TypeError`, `ValueError` for a bad configuration, `StoreUnavailable` for a file
        or server that cannot be opened or holds no store, `BackendNotImplemented` if a package of
        the backend is not installed.
        """
        if isinstance(backend, str):
            backend = backend_from_url(backend)
        if isinstance(backend, MemoryBackend):
            from .actor import ActorSessionStore

            return await ActorSessionStore(
                limits=backend.limits,
                capacity=backend.capacity,
                capacity_bytes=backend.capacity_bytes,
            ).open()
        if isinstance(backend, SQLiteBackend):
            from .sqlite import SQLiteSessionStore

            return await SQLiteSessionStore(
                backend.path,
                durability=backend.durability,
                limits=backend.limits,
                capacity=backend.capacity,
                capacity_bytes=backend.capacity_bytes,
            ).open()
        if isinstance(backend, PostgresBackend):
            from .postgres import PostgresSessionStore

            return await PostgresSessionStore(
                backend.url.get_secret_value(),
                limits=backend.limits,
                capacity=backend.capacity,
                capacity_bytes=backend.capacity_bytes,
                patience=backend.patience,
                must_exist=backend.must_exist,
            ).open()
        if isinstance(backend, RedisBackend):
            from .redis import RedisSessionStore

            return await RedisSessionStore(
                backend.url.get_secret_value(),
                prefix=backend.prefix,
                buckets=backend.buckets,
                limits=backend.limits,
                capacity=backend.capacity,
                capacity_bytes=backend.capacity_bytes,
                patience=backend.patience,
                wait_replicas=backend.wait_replicas,
                wait_aof=backend.wait_aof,
                wait_timeout=backend.wait_timeout,
                allow_eviction=backend.allow_eviction,
                ttl=backend.ttl,
                must_exist=backend.must_exist,
            ).open()
        raise TypeError(f"a StorageBackend or a URL is expected, not {type(backend).__name__}")
