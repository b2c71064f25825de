"""The next number is the highest one and one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from sessionkeeper.values.message import MessageEnvelope

from ..schema import TABLES
from ..store import PooledStore

__all__ = ["MaxPlusOne"]


class MaxPlusOne(PooledStore):
    """Duplicate: two transactions see the same highest number, and no constraint refuses it."""

    tables: ClassVar[str] = f"{TABLES} ALTER TABLE frames DROP CONSTRAINT frames_pkey"

    async def _lock_log(self, connection: Any, session_id: str) -> None:
        """Lock nothing: "it is one statement"."""

    async def _append(
        self, connection: Any, session_id: str, envelopes: Sequence[MessageEnvelope]
    ) -> range:
        last = 0
        for envelope in envelopes:
            last = await connection.fetchval(
                "INSERT INTO frames (session, seq, body)"
                " SELECT $1, coalesce(max(seq), 0) + 1, $2 FROM frames WHERE session = $1"
                " RETURNING seq",
                session_id,
                envelope.model_dump_json(),
            )
        await self._pause()
        await self._notify(connection, session_id)
        return range(last + 1 - len(envelopes), last + 1)
