"""A store on a pool of connections, as programs write it; the designs change a few methods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sessionkeeper.interface.atomic_store import Change
from sessionkeeper.interface.frame_watcher import FrameWatcher
from sessionkeeper.values.errors import SequenceConflict, SessionNotFound
from sessionkeeper.values.message import Frame, MessageEnvelope

from .client import connect
from .sessions import SessionTable
from .watcher import GeneratedWatcher

__all__ = ["PooledStore"]


class PooledStore(SessionTable):
    """SELECT … FOR UPDATE: every transaction locks its session before it reads."""

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        return (await self.add_frames(envelope.context.session_id, [envelope])).start

    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        expected_last_seq: int | None = None,
        change: Change | None = None,
    ) -> range:
        async def add(connection: Any) -> range:
            await (self._lock_log if change is None else self._lock)(connection, session_id)
            before = await self._read(connection, session_id)
            if expected_last_seq not in (None, before.last_seq):
                raise SequenceConflict(
                    session_id, expected=expected_last_seq, current=before.last_seq
                )
            if change is not None:
                await self._write(connection, before, change(before))
            return await self._append(connection, session_id, envelopes)

        try:
            return await self._run(add)
        except asyncpg.ForeignKeyViolationError:  # without a lock: deleted after it was read
            raise SessionNotFound(session_id) from None

    async def _lock_log(self, connection: Any, session_id: str) -> None:
        """Lock a log until the end of the transaction: here with its session."""
        await self._lock(connection, session_id)

    async def _append(
        self, connection: Any, session_id: str, envelopes: Sequence[MessageEnvelope]
    ) -> range:
        """Append at the end of the log, as it is in this transaction."""
        last = await connection.fetchval(
            "SELECT coalesce(max(seq), 0) FROM frames WHERE session = $1", session_id
        )
        await self._pause()
        numbers = range(last + 1, last + 1 + len(envelopes))
        await self._insert_frames(connection, session_id, numbers, envelopes)
        return numbers

    async def _insert_frames(
        self,
        connection: Any,
        session_id: str,
        numbers: range,
        envelopes: Sequence[MessageEnvelope],
    ) -> None:
        await connection.executemany(
            "INSERT INTO frames (session, seq, body) VALUES ($1, $2, $3)",
            [
                (session_id, seq, each.model_dump_json())
                for seq, each in zip(numbers, envelopes, strict=True)
            ],
        )
        await self._notify(connection, session_id)

    async def _notify(self, connection: Any, session_id: str) -> None:
        """Tell the watchers; the server sends it at the commit."""
        await connection.execute("SELECT pg_notify(current_schema, $1)", session_id)

    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        return [frame.envelope for frame in await self.read_frames(session_id)]

    async def read_frames(
        self, session_id: str, /, *, after: int = 0, limit: int = 1000, **options: object
    ) -> list[Frame]:
        if any(options.values()):
            raise NotImplementedError("it reads on from a number, and no other way")
        with self._overtaking.call():
            async with self._pool.acquire() as connection:
                rows = await connection.fetch(
                    "SELECT seq, frames.body FROM sessions"
                    " LEFT JOIN frames ON session = id AND seq > $2"
                    " WHERE id = $1 ORDER BY seq LIMIT $3",
                    session_id,
                    after,
                    limit,
                )
        if not rows:
            raise SessionNotFound(session_id)
        return [
            Frame(seq=row["seq"], envelope=MessageEnvelope.model_validate_json(row["body"]))
            for row in rows
            if row["seq"] is not None
        ]

    async def count_frames(self, session_id: str, /, *, stream: str | None = None) -> int:
        if stream is not None:
            raise NotImplementedError("its frames have no streams")
        return (await self.get_session(session_id)).frame_count

    def watch_frames(
        self, session_id: str, /, *, after: int = 0, **options: object
    ) -> FrameWatcher:
        if any(options.values()):
            raise NotImplementedError("it watches a whole log")
        return GeneratedWatcher(self._follow(session_id, after))

    async def _follow(self, session_id: str, after: int) -> AsyncGenerator[Frame]:
        """Listen first, then look: what is appended between the two is found by the look."""
        async with self._listening(session_id) as notified:
            while True:
                frames = await self.read_frames(session_id, after=after)
                await self._pause()
                for frame in frames:
                    yield frame
                    after = frame.seq
                if not frames:
                    await notified.wait()
                    notified.clear()

    @asynccontextmanager
    async def _listening(self, session_id: str) -> AsyncGenerator[asyncio.Event]:
        """Listen on a connection of its own; the event tells of an append to the session."""
        notified = asyncio.Event()

        def wake(connection: Any, process: int, channel: str, payload: str) -> None:
            if payload == session_id:
                notified.set()

        with self._overtaking.call():
            port = None if self._proxy is None else self._proxy.port
            connection = await connect(self._address, port=port)
            try:
                await connection.add_listener(self._schema, wake)
                yield notified
            finally:
                connection.terminate()

    async def delete_frames(self, session_id: str, /) -> int:
        raise NotImplementedError("its logs are kept whole")
