"""A retry after a lost commit that knows whether the first try was committed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeVar
from uuid import uuid4

import asyncpg
from sessionkeeper.values.errors import OutcomeUnknown

from ..schema import TABLES
from ..store import PooledStore

__all__ = ["IdempotencyKey"]

R = TypeVar("R")
_TRIES = 3


class IdempotencyKey(PooledStore):
    """Each transaction writes a key of its own; a retry that meets its key was committed before."""

    tables: ClassVar[str] = f"{TABLES} CREATE TABLE done (key uuid PRIMARY KEY)"

    async def _run(self, body: Callable[[Any], Awaitable[R]]) -> R:
        key = uuid4()
        answers: list[R] = []

        async def once(connection: Any) -> R:
            await connection.execute("INSERT INTO done (key) VALUES ($1)", key)
            answers[:] = [await body(connection)]
            return answers[0]

        for _ in range(_TRIES):
            try:
                return await super()._run(once)
            except OutcomeUnknown:
                continue
            except asyncpg.UniqueViolationError as error:
                if error.table_name != "done":
                    raise
                return answers[0]
        raise OutcomeUnknown
