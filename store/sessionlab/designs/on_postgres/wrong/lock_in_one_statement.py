"""An advisory lock in the statement that counts under it."""

from __future__ import annotations

from typing import Any

import asyncpg
from sessionkeeper.values.errors import LimitExceeded, SessionExists
from sessionkeeper.values.session import Session

from ..store import PooledStore

__all__ = ["LockInOneStatement"]


class LockInOneStatement(PooledStore):
    """Overshoot: in READ COMMITTED a statement sees what was committed before it began, which is
    before it waited for the lock."""

    async def create_session(self, session: Session, /) -> Session:
        most = self._limits.max_sessions

        async def create(connection: Any) -> Session:
            revision = await connection.fetchval(
                "WITH lock AS (SELECT pg_advisory_xact_lock(hashtextextended(current_schema, 0)))"
                " INSERT INTO sessions (id, body) SELECT $1, $2 FROM lock"
                " WHERE (SELECT count(*) FROM sessions) < $3 RETURNING revision",
                session.id,
                session.model_dump_json(),
                most,
            )
            await self._pause()
            if revision is None:
                raise LimitExceeded("max_sessions", current=None, maximum=most)
            return session.model_copy(update={"revision": revision})

        try:
            return await self._run(create)
        except asyncpg.UniqueViolationError:
            raise SessionExists(session.id) from None
