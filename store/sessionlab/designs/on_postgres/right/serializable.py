"""SERIALIZABLE, and every transaction that fails is run again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeVar

import asyncpg
from sessionkeeper.values.errors import StoreUnavailable

from ..store import PooledStore

__all__ = ["Serializable"]

R = TypeVar("R")
_TRIES = 20


class Serializable(PooledStore):
    """No lock at all: the server finds what does not fit together, and the caller retries."""

    isolation: ClassVar[str | None] = "serializable"

    async def _lock(self, connection: Any, session_id: str) -> None:
        """Lock nothing."""

    async def _run(self, body: Callable[[Any], Awaitable[R]]) -> R:
        for _ in range(_TRIES):
            try:
                return await super()._run(body)
            except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
                continue
        raise StoreUnavailable("too many others write the same rows")
