"""INSERT … ON CONFLICT DO NOTHING, whose answer nobody looks at."""

from __future__ import annotations

from typing import Any

from sessionkeeper.values.session import Session

from ..store import PooledStore

__all__ = ["ConflictDoNothing"]


class ConflictDoNothing(PooledStore):
    """Duplicate: the statement succeeds also where it inserts nothing, and all believe they did."""

    async def create_session(self, session: Session, /) -> Session:
        async def create(connection: Any) -> Session:
            revision = await connection.fetchval("SELECT nextval('revisions')")
            await self._pause()
            await connection.execute(
                "INSERT INTO sessions (id, revision, body) VALUES ($1, $2, $3)"
                " ON CONFLICT DO NOTHING",
                session.id,
                revision,
                session.model_dump_json(),
            )
            return session.model_copy(update={"revision": revision})

        return await self._run(create)
