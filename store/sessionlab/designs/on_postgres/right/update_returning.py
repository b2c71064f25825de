"""One statement that reads and writes, whose answer is what it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from sessionkeeper.interface.atomic_store import Change
from sessionkeeper.values.message import MessageEnvelope
from sessionkeeper.values.session import Session

from ..schema import TABLES
from ..sessions import follow
from ..store import PooledStore

__all__ = ["UpdateReturning"]


class UpdateReturning(PooledStore):
    """UPDATE … RETURNING: the number of a frame, and a write only of what was read."""

    tables: ClassVar[str] = f"{TABLES} ALTER TABLE sessions ADD last_seq bigint NOT NULL DEFAULT 0"

    async def _append(
        self, connection: Any, session_id: str, envelopes: Sequence[MessageEnvelope]
    ) -> range:
        last = await connection.fetchval(
            "UPDATE sessions SET last_seq = last_seq + $2 WHERE id = $1 RETURNING last_seq",
            session_id,
            len(envelopes),
        )
        await self._pause()
        numbers = range(last + 1 - len(envelopes), last + 1)
        await self._insert_frames(connection, session_id, numbers, envelopes)
        return numbers

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        while True:
            before = await self.get_session(session_id)
            await self._pause()
            after = change(before)
            if after is before:
                return before
            stored = await self._run(partial(self._replace, before, after))
            if stored is not None:
                return stored

    async def _replace(self, before: Session, after: Session, connection: Any) -> Session | None:
        """Write a session if it is as it was read; else return None."""
        stored = follow(before, after)
        revision = await connection.fetchval(
            "UPDATE sessions SET body = $2, revision = nextval('revisions')"
            " WHERE id = $1 AND revision = $3 AND last_seq = $4 RETURNING revision",
            before.id,
            stored.model_dump_json(),
            before.revision,
            before.last_seq,
        )
        return None if revision is None else stored.model_copy(update={"revision": revision})
