"""The store in a PostgreSQL database: the same commands and rules, and a batch is a transaction."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import ClassVar, Self

from ..backends.postgres.address import PostgresAddress
from ..backends.postgres.connection import PostgresConnection
from ..backends.postgres.outcome import BatchId
from ..backends.postgres.reader import PostgresReader
from ..backends.postgres.resolve import Resolve
from ..backends.postgres.server_clock import ServerClock
from ..backends.postgres.tables import PostgresTables
from ..backends.postgres.wakeups import PostgresWakeups
from ..backends.postgres.writer import PostgresWriter
from ..interface.arguments import checked_seconds
from ..interface.listeners import Listeners
from ..values.clock import Clock
from ..values.errors import OutcomeUnknown
from ..values.guarantees import Atomicity, Durability, Guarantees, Scope
from ..values.limits import StoreLimits
from ..values.statistics import PostgresStatistics
from .two_connections import TwoConnectionStore

__all__ = ["PostgresSessionStore"]

_LONGEST_PATIENCE = 86_400.0
"""A day: the server's time-outs end at some weeks."""

_REGISTRATION_SECONDS = 1.0
"""How long the first watcher waits for the batches of others. New ones wait behind it."""


class PostgresSessionStore(TwoConnectionStore):
    """Every operation is one linearizable step among all processes that use the database.

    Use it as `async with PostgresSessionStore("postgresql://localhost/app") as store`. What is
    acknowledged survives what the server's settings promise; see `statistics`. `patience` is how
    many seconds the server may be away, or a lock be held by others, before an operation raises
    `StoreUnavailable`, or `OutcomeUnknown` if it may have been applied; `resolve` finds out which.
    A `change` runs on a thread, and may run more than once. Without a `clock`, times are those of
    the server. Limits are each process's own: use the same.

    Reads have a connection, a thread and a mailbox of their own: a read waits for no writer and
    sees every write that was answered before it was called. A read and a write that run at the same
    time have no order: await a write before the read that must see it.
    """

    guarantees: ClassVar[Guarantees] = Guarantees(
        operation=Atomicity.LINEARIZABLE,
        batch=Atomicity.LINEARIZABLE,
        listing=Atomicity.LINEARIZABLE,
        durability=Durability.SERVER,
        scope=Scope.CLUSTER,
        # Changes of several sessions by several stores need not be committed as they were numbered.
        one_counter=False,
    )
    _writer_type: ClassVar[type[PostgresWriter]] = PostgresWriter
    """The class that makes a batch a transaction; the lab has wrong ones."""

    def __init__(
        self,
        url: str,
        *,
        limits: StoreLimits | None = None,
        capacity: int = 1024,
        capacity_bytes: int = 64 * 1024 * 1024,
        clock: Clock | None = None,
        patience: float = 5.0,
        must_exist: bool = False,
    ) -> None:
        """Configure it. Raises `TypeError`, `ValueError`, `BackendNotImplemented`."""
        self._address = address = PostgresAddress.of(url)
        limits = StoreLimits() if limits is None else limits
        if not isinstance(limits, StoreLimits) or not isinstance(clock, Clock | None):
            raise TypeError("limits are StoreLimits, and a clock is a Clock")
        patience = min(checked_seconds("patience", patience) or 0.0, _LONGEST_PATIENCE)
        self._patience = patience
        self._remote_wakeups = wakeups = PostgresWakeups()
        listeners = Listeners()
        server_clock = None
        if clock is None:
            server_clock = ServerClock()
            clock = Clock(wall=server_clock.now, steady=server_clock.now)
        connection = PostgresConnection(address, patience=patience)
        self._writer = self._writer_type(
            connection,
            PostgresTables(connection, limits, clock, listeners, locks=True),
            address,
            must_exist=must_exist,
            server_clock=server_clock,
            wakeups=wakeups,
            listeners=listeners,
        )
        reading = PostgresConnection(address, patience=patience)
        reader = PostgresReader(
            reading,
            PostgresTables(reading, limits, clock, Listeners(), locks=False),
            self._writer,
        )
        super().__init__(
            self._writer,
            reader,
            name="postgres",
            wakeups=wakeups,
            listeners=listeners,
            capacity=capacity,
            capacity_bytes=capacity_bytes,
        )

    async def open(self) -> Self:
        """Connect, check the server, and start the owner. Raises `StoreUnavailable`.

        A store that does not exist is created, unless `must_exist`: then nothing is written.
        """
        await super().open()
        # Per store object: the server's settings decide.
        self.guarantees = replace(  # type: ignore[misc]  # as above
            type(self).guarantees, durability=self._writer.opened.info.durability
        )
        self._remote_wakeups.connect(
            partial(
                self._address.connect,
                timeout=max(1.0, self._patience),
                lock_timeout=_REGISTRATION_SECONDS,
            ),
            lambda: self._writer.writer_id,
        )
        return self

    async def resolve(self, operation_id: str, /) -> bool:
        """Find out whether the operation of an `OutcomeUnknown` was applied, once and for all.

        False means that it was not and never will be. Raises `OutcomeUnknown` again when that is
        not known yet, or no longer because it was more than an hour ago; `ValueError` for an id
        that no store has given; `StoreUnavailable`. Atomic. Any process can call it.
        """
        if not isinstance(operation_id, str):
            raise TypeError("an operation's id is a str")
        try:
            return await self._run(Resolve(BatchId.of(operation_id)))
        except OutcomeUnknown:  # of the batch that looked it up
            raise OutcomeUnknown(operation_id) from None

    def _server(self) -> PostgresStatistics:
        return self._writer.opened.info.statistics()
