"""A number that two may choose, and a constraint that lets only one have it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
from sessionkeeper.values.errors import StoreUnavailable

from ..store import PooledStore

__all__ = ["UniqueAndRetry"]

R = TypeVar("R")
_TRIES = 20


class UniqueAndRetry(PooledStore):
    """MAX(seq) + 1 without a lock, under a unique constraint: who loses the race tries again."""

    async def _lock_log(self, connection: Any, session_id: str) -> None:
        """Lock nothing."""

    async def _run(self, body: Callable[[Any], Awaitable[R]]) -> R:
        for _ in range(_TRIES):
            try:
                return await super()._run(body)
            except asyncpg.DeadlockDetectedError:
                continue
            except asyncpg.UniqueViolationError as error:
                if error.table_name != "frames":
                    raise
        raise StoreUnavailable("too many others append to this log")
