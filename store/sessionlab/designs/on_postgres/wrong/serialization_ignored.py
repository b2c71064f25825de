"""REPEATABLE READ, and a failure that is taken for an answer."""

from __future__ import annotations

from typing import Any

import asyncpg
from sessionkeeper.interface.atomic_store import Change
from sessionkeeper.values.session import Session

from ..store import PooledStore

__all__ = ["SerializationIgnored"]


class SerializationIgnored(PooledStore):
    """Lost update: the server refused the write, and the caller is answered as if it was done."""

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        async def modify(connection: Any) -> Session:
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            before = await self._read(connection, session_id)
            await self._pause()
            return await self._write(connection, before, change(before))

        try:
            return await self._run(modify)
        except asyncpg.SerializationError:  # "somebody else was faster, that is fine"
            return await self.get_session(session_id)
