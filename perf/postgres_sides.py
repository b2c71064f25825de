"""What is timed beside the store on PostgreSQL: the same statements by asyncpg, without a store.

The other side is as good as one can write it: it knows the numbers of its sessions, its statements
are prepared once, and a pool does not reset the connections that it gets back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import asyncpg
from harness import Operation
from ratios import MESSAGE, envelope
from sessionkeeper import MessageEnvelope, PostgresSessionStore, Session, StoreLimits
from sessionlab.bench.side_by_side.by_hand_postgres import INSERT, LOCK, append_one

__all__ = ["Scene", "connected", "opened"]

LOCK_MANY = LOCK.replace("SELECT", "SELECT session,").replace(
    "session = $1", "session = ANY($1::bigint[]) ORDER BY session"
)
WRITE_MANY = (
    "WITH written AS (INSERT INTO frames (session, seq, sent_at, direction, message, detail,"
    " stream) SELECT session, seq, sent_at, 0, message, NULL, NULL FROM unnest($1::bigint[],"
    " $2::bigint[], $3::bigint[], $4::bytea[]) AS new (session, seq, sent_at, message))"
    " UPDATE logs SET revision = new.revision, steady_active_at = active_at,"
    " last_activity = active_at, frame_count = new.frame_count, last_seq = seq,"
    " byte_count = new.byte_count FROM unnest($1::bigint[], $5::bigint[], $6::float8[],"
    " $7::bigint[], $2::bigint[], $8::bigint[])"
    " AS new (session, revision, active_at, frame_count, seq, byte_count)"
    " WHERE logs.session = new.session"
)
SENT_AT = 1_700_000_000_000_000
ROWS = 64
"""Of one commit of `executemany`."""
LIMITS = StoreLimits(
    max_sessions=4_000_000,
    max_frames_per_session=10_000_000,
    max_session_bytes=64 * 1024**3,
    max_total_bytes=1024**4,
)

_SCHEMAS = count(1)


class Scene:
    """A store with sessions in a schema of its own, and what others do in the same schema."""

    def __init__(self, url: str, schema: str, store: PostgresSessionStore, sessions: int) -> None:
        self.url = url
        """Of the database."""
        self.schema = schema
        self.store = store
        self.ids = [f"s{number}" for number in range(sessions)]
        self.envelopes: list[MessageEnvelope] = [envelope(each) for each in self.ids]
        self.numbers: list[int] = []
        """What others append to: as many sessions again."""
        self._free = count(1_000_000_000)

    def add(self, caller: int) -> Awaitable[int]:
        """Append by the store."""
        return self.store.add_frame(self.envelopes[caller])

    @asynccontextmanager
    async def one_connection(self) -> AsyncIterator[Operation]:
        """A transaction an append, one after the other on one connection."""
        lock = asyncio.Lock()
        async with connected(self.url, self.schema) as connection:

            async def append(caller: int) -> None:
                async with lock:
                    await append_one(connection, self.numbers[caller], MESSAGE)

            yield append

    @asynccontextmanager
    async def pool(self, size: int) -> AsyncIterator[Operation]:
        """The same by a pool."""
        async with asyncpg.create_pool(
            self.url,
            min_size=size,
            max_size=size,
            server_settings={"search_path": self.schema},
            reset=_leave,
        ) as connections:

            async def append(caller: int) -> None:
                async with connections.acquire() as connection:
                    await append_one(connection, self.numbers[caller], MESSAGE)

            yield append

    @asynccontextmanager
    async def executemany(self) -> AsyncIterator[Operation]:
        """64 rows a commit and nothing else, one commit after the other."""
        async with connected(self.url, self.schema) as connection:

            async def commit(_: int) -> None:
                await connection.executemany(INSERT, self._rows())

            yield commit

    @asynccontextmanager
    async def batches(self) -> AsyncIterator[Operation]:
        """64 appends in one transaction by arrays: what a store that adds nothing would reach."""
        async with connected(self.url, self.schema) as connection:

            async def commit(_: int) -> None:
                await append_many(connection, self.numbers[:ROWS])

            yield commit

    def _rows(self) -> Sequence[tuple[int, int, int, bytes]]:
        seq = next(self._free)
        return [(number, seq, SENT_AT, MESSAGE) for number in self.numbers[:ROWS]]


async def append_many(connection: Any, numbers: Sequence[int]) -> None:
    """The same for a frame of each log: four calls in all."""
    async with connection.transaction():
        rows = await connection.fetch(LOCK_MANY, numbers)
        seqs = [row["last_seq"] + 1 for row in rows]
        await connection.execute(
            WRITE_MANY,
            [row["session"] for row in rows],
            seqs,
            [SENT_AT] * len(rows),
            [MESSAGE] * len(rows),
            [row["revision"] + 1 for row in rows],
            [time.time()] * len(rows),
            [row["frame_count"] + 1 for row in rows],
            [row["byte_count"] + len(MESSAGE) for row in rows],
        )


@asynccontextmanager
async def connected(url: str, schema: str) -> AsyncIterator[Any]:
    """A connection of asyncpg that finds the tables of a schema."""
    connection: Any = await asyncpg.connect(url, server_settings={"search_path": schema})
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def opened(url: str, sessions: int) -> AsyncIterator[Scene]:
    """An open store with so many sessions, and as many for others; the schema is dropped."""
    schema = f"perf_{next(_SCHEMAS)}"
    async with PostgresSessionStore(f"{url}?schema={schema}", limits=LIMITS) as store:
        scene = Scene(url, schema, store, sessions)
        others = [f"other-{each}" for each in scene.ids]
        for each in (*scene.ids, *others):
            await store.create_session(Session.new(transport_type="stdio", id=each))
        async with connected(url, schema) as connection:
            rows = await connection.fetch(
                "SELECT number FROM sessions WHERE id = ANY($1::text[])", others
            )
            scene.numbers = [row["number"] for row in rows]
        yield scene
    async with connected(url, schema) as connection:
        await connection.execute(f'DROP SCHEMA "{schema}" CASCADE')


async def _leave(_: object) -> None:
    """Leave the connection as it is."""
