"""The classes that users open: in memory, SQLite, PostgreSQL, Redis, before a third party's store.

Rule: a method turns its arguments into one command and awaits the reply; no rule lives here. Read
`facade`, `actor`, `two_connections`, `sqlite`, `postgres`, `redis`, then `principal`, `unqueued`,
and `factory` with `config`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .actor import ActorSessionStore
    from .config import (
        MemoryBackend,
        PostgresBackend,
        RedisBackend,
        SQLiteBackend,
        StorageBackend,
        backend_from_url,
    )
    from .factory import StorageFactory
    from .postgres import PostgresSessionStore
    from .redis import RedisSessionStore
    from .restore import RestoreReport, restore_backup
    from .sqlite import SQLiteSessionStore
    from .third_party.store import OwnedSessionStore
    from .threads.facade import ThreadSafeSessionStore
    from .threads.frame_reader import FrameReader
    from .threads.threaded_store import ThreadedSessionStore, threaded
    from .unqueued import LockedSessionStore, PlainSessionStore

__all__ = [
    # with an owner
    "ActorSessionStore",
    "SQLiteSessionStore",
    "RedisSessionStore",
    "PostgresSessionStore",
    # in front of a third party's store
    "OwnedSessionStore",
    # without a queue
    "LockedSessionStore",
    "PlainSessionStore",
    # for threads
    "ThreadSafeSessionStore",
    "FrameReader",
    # with a thread of its own
    "ThreadedSessionStore",
    "threaded",
    # backups
    "RestoreReport",
    "restore_backup",
    # which one
    "MemoryBackend",
    "PostgresBackend",
    "RedisBackend",
    "SQLiteBackend",
    "StorageBackend",
    "backend_from_url",
    "StorageFactory",
]

_MODULES = {
    "ActorSessionStore": "actor",
    "MemoryBackend": "config",
    "PostgresBackend": "config",
    "RedisBackend": "config",
    "SQLiteBackend": "config",
    "StorageBackend": "config",
    "backend_from_url": "config",
    "StorageFactory": "factory",
    "PostgresSessionStore": "postgres",
    "RedisSessionStore": "redis",
    "RestoreReport": "restore",
    "restore_backup": "restore",
    "SQLiteSessionStore": "sqlite",
    "OwnedSessionStore": "third_party.store",
    "ThreadSafeSessionStore": "threads.facade",
    "FrameReader": "threads.frame_reader",
    "ThreadedSessionStore": "threads.threaded_store",
    "threaded": "threads.threaded_store",
    "LockedSessionStore": "unqueued",
    "PlainSessionStore": "unqueued",
}


# A store's module is imported when its name is used (PEP 562): a program with sessions in memory
# does not load SQLite and Redis. A test compares the table with the imports above.
def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value  # the next use finds it at once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
