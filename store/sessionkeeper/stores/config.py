"""The choice of a store, as validated configuration or as a URL."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, SecretStr, field_validator

from ..backends.postgres_url import split_postgres_url
from ..backends.redis_url import split_url
from ..values.limits import LONGEST_TTL, StoreLimits
from ..values.value import Value
from .store_url import PREFIX, DatabaseUrl, FileUrl, MemoryUrl, split_store_url

__all__ = [
    "MemoryBackend",
    "PostgresBackend",
    "RedisBackend",
    "SQLiteBackend",
    "StorageBackend",
    "backend_from_url",
]


class MemoryBackend(Value):
    """Sessions in this process's memory."""

    kind: Literal["memory"] = "memory"
    limits: StoreLimits = StoreLimits()
    capacity: int = Field(default=1024, ge=1)
    """Commands in the mailbox before callers wait."""
    capacity_bytes: int = Field(default=64 * 1024 * 1024, ge=1)
    """Bytes in the mailbox before callers wait."""


class SQLiteBackend(Value):
    """Sessions in one SQLite file."""

    kind: Literal["sqlite"] = "sqlite"
    path: Annotated[str, Field(min_length=1)]
    durability: Literal["disk", "os"] = "disk"
    limits: StoreLimits = StoreLimits()
    capacity: int = Field(default=1024, ge=1)
    capacity_bytes: int = Field(default=64 * 1024 * 1024, ge=1)

    @field_validator("path")
    @classmethod
    def _no_nul(cls, path: str) -> str:
        if "\0" in path:
            raise ValueError("a path has no NUL character")
        return path


class RedisBackend(Value):
    """Sessions on a Redis or Valkey server or cluster. The URL may hold a password: a secret."""

    kind: Literal["redis"] = "redis"
    url: SecretStr
    prefix: Annotated[str, Field(pattern=PREFIX)] = "sessionkeeper"
    limits: StoreLimits = StoreLimits()
    capacity: int = Field(default=1024, ge=1)
    capacity_bytes: int = Field(default=64 * 1024 * 1024, ge=1)
    buckets: int | None = Field(default=None, ge=1, le=4096)
    """Parts of the store, each on one node. None keeps the number of an existing store; a new store
    gets one part on a server and 64 on a cluster."""
    patience: float = Field(default=5.0, ge=0)
    """Seconds that the servers may be away before an operation is refused."""
    wait_replicas: int = Field(default=0, ge=0)
    """Replicas that must have a write before it is acknowledged."""
    wait_aof: bool = False
    """Whether a write must be synced to the append-only file before it is acknowledged."""
    wait_timeout: float = Field(default=1.0, gt=0)
    """Seconds to wait for the replicas; then the outcome is unknown."""
    allow_eviction: bool = False
    """Whether to accept a server that may drop keys when it is full."""
    ttl: float | None = Field(default=None, gt=0, le=LONGEST_TTL)
    """Seconds after the last write to a session until the server frees it. It is fixed when the
    store is created; None keeps it, and gives a new store none."""
    must_exist: bool = False
    """Whether opening refuses a store that does not exist, instead of creating it."""

    @field_validator("url")
    @classmethod
    def _a_redis_url(cls, url: SecretStr) -> SecretStr:
        split_url(url.get_secret_value())
        return url


class PostgresBackend(Value):
    """Sessions in a schema of a PostgreSQL database. The URL may hold a password: a secret."""

    kind: Literal["postgres"] = "postgres"
    url: SecretStr
    """With `?schema=…` for another schema than `sessionkeeper`."""
    limits: StoreLimits = StoreLimits()
    capacity: int = Field(default=1024, ge=1)
    capacity_bytes: int = Field(default=64 * 1024 * 1024, ge=1)
    patience: float = Field(default=5.0, ge=0)
    """Seconds that the server may be away, or a lock be held, before an operation is refused."""
    must_exist: bool = False
    """Whether opening refuses a store that does not exist, instead of creating it."""

    @field_validator("url")
    @classmethod
    def _a_postgres_url(cls, url: SecretStr) -> SecretStr:
        split_postgres_url(url.get_secret_value())
        return url


StorageBackend: TypeAlias = MemoryBackend | SQLiteBackend | RedisBackend | PostgresBackend


def backend_from_url(url: str, /) -> StorageBackend:
    """Read `memory://`, `sqlite:///file.db`, `postgresql://…`, `redis://…`, or another URL.

    Others are those of Valkey, a cluster, a socket, or sentinels: see `docs/redis.md`.

    `sqlite:///file.db` is relative to the working folder, `sqlite:////var/file.db` absolute. A
    Redis URL takes `?prefix=…`, a PostgreSQL URL `?schema=…`, beside the options that say how to
    connect. Raises `TypeError`, and `ValueError` without showing the URL: it may hold a password.
    """
    if not isinstance(url, str):
        raise TypeError(f"a URL is a str, not {type(url).__name__}")
    parts = split_store_url(url)
    if isinstance(parts, MemoryUrl):
        return MemoryBackend()
    if isinstance(parts, FileUrl):
        return SQLiteBackend(path=parts.path)
    secret = SecretStr(parts.url)
    if isinstance(parts, DatabaseUrl):
        return PostgresBackend(url=secret)
    if parts.prefix is None:
        return RedisBackend(url=secret)
    return RedisBackend(url=secret, prefix=parts.prefix)
