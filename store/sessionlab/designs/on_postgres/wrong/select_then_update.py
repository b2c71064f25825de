"""SELECT, change, UPDATE: one transaction, in READ COMMITTED."""

from __future__ import annotations

from typing import Any

from sessionkeeper.interface.atomic_store import Change
from sessionkeeper.values.session import Session

from ..store import PooledStore

__all__ = ["SelectThenUpdate"]


class SelectThenUpdate(PooledStore):
    """Lost update: a transaction does not keep others from writing what it read."""

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        async def modify(connection: Any) -> Session:
            before = await self._read(connection, session_id)  # without FOR UPDATE
            await self._pause()
            return await self._write(connection, before, change(before))

        return await self._run(modify)
