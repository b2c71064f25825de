"""The main store of this library: one task owns the tables, and callers send it commands."""

from __future__ import annotations

from typing import ClassVar

from soleowner import Actor, LoopRunner, Runner

from ..backends.memory import MemoryTables
from ..interface.listeners import Listeners
from ..interface.wakeups import StoreWakeups
from ..operations.tables import Tables
from ..values.clock import Clock
from ..values.errors import SessionError
from ..values.guarantees import Atomicity, Durability, Guarantees, Scope
from ..values.limits import StoreLimits
from .owner_backed import OwnerBackedStore, session_error

__all__ = ["ActorSessionStore"]


class ActorSessionStore(OwnerBackedStore):
    """Every operation is one linearizable step, applied whole even if its caller is cancelled.

    Use it as `async with ActorSessionStore() as store`. `capacity` and `capacity_bytes` bound the
    mailbox: callers beyond them wait, in order.
    """

    guarantees: ClassVar[Guarantees] = Guarantees(
        operation=Atomicity.LINEARIZABLE,
        batch=Atomicity.LINEARIZABLE,
        listing=Atomicity.LINEARIZABLE,
        durability=Durability.MEMORY,
        scope=Scope.PROCESS,
    )

    def __init__(
        self,
        *,
        limits: StoreLimits | None = None,
        capacity: int = 1024,
        capacity_bytes: int = 64 * 1024 * 1024,
        clock: Clock | None = None,
    ) -> None:
        tables = MemoryTables(limits, clock)
        wakeups, listeners = StoreWakeups(), Listeners()
        tables.connect(wakeups.notify, listeners)
        runner: Runner[Tables] = _MemoryRunner(tables, wakeups)
        actor = Actor(
            runner,
            name="sessionkeeper owner",
            capacity=capacity,
            capacity_bytes=capacity_bytes,
            translate=session_error,
        )
        super().__init__(actor, wakeups=wakeups, listeners=listeners)


class _MemoryRunner(LoopRunner[Tables]):
    def __init__(self, tables: Tables, wakeups: StoreWakeups) -> None:
        super().__init__(tables, expected=(SessionError,))
        self._wakeups = wakeups

    async def aclose(self) -> None:
        # However the owner ended, its watchers must learn of it.
        self._wakeups.notify_all()
