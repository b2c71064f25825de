"""The table of sessions on a pool of connections, and how a transaction is run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, ClassVar, Self, TypeVar

import asyncpg
from sessionkeeper.interface.atomic_store import AtomicSessionStore, Change
from sessionkeeper.values.errors import (
    LimitExceeded,
    OutcomeUnknown,
    RevisionConflict,
    SessionExists,
    SessionNotFound,
)
from sessionkeeper.values.guarantees import Atomicity, Durability, Guarantees, Scope
from sessionkeeper.values.limits import StoreLimits
from sessionkeeper.values.session import CALLER_FIELDS, Session
from sessionkeeper.values.states import SessionStatus
from sessionkeeper.values.statistics import StoreStatistics

from ..faulty_proxy import FaultyProxy
from .address import ServerAddress
from .client import LOST, connect, make_pool
from .overtaking import Overtaking
from .schema import TABLES

__all__ = ["SessionTable", "follow"]

R = TypeVar("R")

_READ = """
SELECT body, revision,
    (SELECT count(*) FROM frames WHERE session = id) AS frame_count,
    (SELECT coalesce(max(seq), 0) FROM frames WHERE session = id) AS last_seq
FROM sessions
"""


class SessionTable(AtomicSessionStore):
    """Sessions in a table; each method is a transaction on a connection of a pool.

    The tables are in a schema of their own, which `open` makes and `aclose` drops.
    """

    guarantees: ClassVar[Guarantees] = Guarantees(
        operation=Atomicity.LINEARIZABLE,
        batch=Atomicity.NONE,
        listing=Atomicity.LINEARIZABLE,
        durability=Durability.SERVER,
        scope=Scope.CLUSTER,
        one_counter=False,
    )
    tables: ClassVar[str] = TABLES
    isolation: ClassVar[str | None] = None
    """The isolation of each transaction; None for that of the server, READ COMMITTED."""

    def __init__(
        self,
        address: ServerAddress,
        *,
        schema: str,
        proxy: FaultyProxy | None = None,
        limits: StoreLimits | None = None,
    ) -> None:
        self._address, self._schema, self._proxy = address, schema, proxy
        self._limits = limits or StoreLimits()
        self._pool: Any = None
        self._keeper: Any = None
        self._overtaking = Overtaking()

    @property
    def is_open(self) -> bool:
        return self._pool is not None

    async def open(self) -> Self:
        """Make the schema, and open a pool through the proxy. Raises what asyncpg raises."""
        self._keeper = connection = await connect(self._address)
        try:
            # What only this run uses need not survive a power cut.
            await connection.execute(
                f"SET synchronous_commit TO off; CREATE SCHEMA {self._schema};"
                f" SET search_path TO {self._schema}; {self.tables}"
            )
            await self._measure(connection)
            port = None
            if self._proxy is not None:
                await self._proxy.open()
                port = self._proxy.port
            self._pool = await make_pool(self._address, schema=self._schema, port=port)
        except BaseException:
            await self._leave()
            raise
        if self._proxy is not None:
            self._proxy.enable_faults()
        return self

    async def _measure(self, connection: Any) -> None:
        await connection.execute("SET synchronous_commit TO on")
        begun = perf_counter()
        await connection.execute("BEGIN; SELECT nextval('revisions'); COMMIT")
        self._overtaking.measure(perf_counter() - begun)
        await connection.execute("SET synchronous_commit TO off")

    async def aclose(self, *, timeout: float | None = None) -> None:
        """Close the connections and drop the schema."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()
            await self._leave()

    async def _leave(self) -> None:
        if self._proxy is not None:
            await self._proxy.aclose()
        try:
            await self._keeper.execute(f"DROP SCHEMA IF EXISTS {self._schema} CASCADE")
        finally:
            self._keeper.terminate()

    async def _run(self, body: Callable[[Any], Awaitable[R]]) -> R:
        """Run a function of a connection in one transaction.

        Raises `OutcomeUnknown` if the connection is lost: perhaps it was committed.
        """
        with self._overtaking.call(writes=True):
            try:
                async with (
                    self._pool.acquire() as connection,
                    connection.transaction(isolation=self.isolation),
                ):
                    return await body(connection)
            except LOST:
                raise OutcomeUnknown from None

    async def _pause(self) -> None:
        """Wait between two statements, as a busy program does."""
        await self._overtaking.pause()

    async def _lock(self, connection: Any, session_id: str) -> None:
        """Lock the row of a session until the end of the transaction."""
        await connection.execute("SELECT FROM sessions WHERE id = $1 FOR UPDATE", session_id)

    async def _read(self, connection: Any, session_id: str) -> Session:
        row = await connection.fetchrow(f"{_READ} WHERE id = $1", session_id)
        if row is None:
            raise SessionNotFound(session_id)
        return _session(row)

    async def _write(self, connection: Any, before: Session, after: Session) -> Session:
        """Replace a session that was read in this transaction."""
        if after is before:
            return before
        after = follow(before, after)
        revision = await connection.fetchval(
            "UPDATE sessions SET body = $2, revision = nextval('revisions') WHERE id = $1"
            " RETURNING revision",
            after.id,
            after.model_dump_json(),
        )
        if revision is None:
            raise SessionNotFound(after.id)
        return after.model_copy(update={"revision": revision})

    async def create_session(self, session: Session, /) -> Session:
        async def create(connection: Any) -> Session:
            # The lock is a statement of its own: the count after it sees what others committed.
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(current_schema, 0))"
            )
            count = await connection.fetchval("SELECT count(*) FROM sessions")
            await self._pause()
            if count >= self._limits.max_sessions:
                raise LimitExceeded(
                    "max_sessions", current=count, maximum=self._limits.max_sessions
                )
            return await self._insert(connection, session)

        try:
            return await self._run(create)
        except asyncpg.UniqueViolationError:
            raise SessionExists(session.id) from None

    async def _insert(self, connection: Any, session: Session) -> Session:
        revision = await connection.fetchval(
            "INSERT INTO sessions (id, body) VALUES ($1, $2) RETURNING revision",
            session.id,
            session.model_dump_json(),
        )
        return session.model_copy(update={"revision": revision})

    async def get_or_create_session(self, session: Session, /) -> tuple[Session, bool]:
        while True:
            try:
                return await self.create_session(session), True
            except SessionExists:
                pass
            try:
                return await self.get_session(session.id), False
            except SessionNotFound:
                continue

    async def get_session(self, session_id: str, /) -> Session:
        with self._overtaking.call():
            async with self._pool.acquire() as connection:
                return await self._read(connection, session_id)

    async def update_session(self, session: Session, /) -> Session:
        def replace(current: Session) -> Session:
            if current.revision != session.revision:
                raise RevisionConflict(
                    session.id, expected=session.revision, current=current.revision
                )
            return session

        return await self.modify_session(session.id, replace)

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        async def modify(connection: Any) -> Session:
            await self._lock(connection, session_id)
            before = await self._read(connection, session_id)
            await self._pause()
            return await self._write(connection, before, change(before))

        return await self._run(modify)

    async def delete_session(self, session_id: str, /) -> None:
        async def delete(connection: Any) -> None:
            gone = await connection.fetchval(
                "DELETE FROM sessions WHERE id = $1 RETURNING id", session_id
            )
            if gone is None:
                raise SessionNotFound(session_id)

        await self._run(delete)

    async def list_sessions(self) -> list[Session]:
        with self._overtaking.call():
            async with self._pool.acquire() as connection:
                return [_session(row) for row in await connection.fetch(f"{_READ} ORDER BY number")]

    async def count_sessions(self) -> int:
        async with self._pool.acquire() as connection:
            count: int = await connection.fetchval("SELECT count(*) FROM sessions")
            return count

    async def touch_session(self, session_id: str, /) -> None:
        raise NotImplementedError("it keeps no time of last activity")

    async def statistics(self) -> StoreStatistics:
        raise NotImplementedError("it has no statistics")


def _session(row: Any) -> Session:
    stored = Session.model_validate_json(row["body"])
    names = ("revision", "frame_count", "last_seq")
    return stored.model_copy(update={name: row[name] for name in names})


def follow(before: Session, after: Session) -> Session:
    """Return what is to be stored of a changed session. Raises as `Session.check_follows`."""
    after.check_follows(before)
    changed: dict[str, object] = {name: getattr(after, name) for name in CALLER_FIELDS}
    if before.ended_at is None and after.status is not SessionStatus.ACTIVE:
        changed["ended_at"] = datetime.now(UTC)
    return before.model_copy(update=changed)
