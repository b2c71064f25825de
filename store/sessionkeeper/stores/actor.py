"""The store this library is about: one task owns the tables, everyone else asks it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import ClassVar, Self

from soleowner import (
    Actor,
    ActorError,
    ActorStatistics,
    LoopRunner,
    LoopStopped,
    MailboxClosed,
    MailboxFull,
    Observer,
    OwnerCrashed,
    Runner,
    ThreadPort,
    WouldBlock,
    WrongLoop,
)

from ..backends.memory import MemoryTables
from ..interface.listeners import Listeners
from ..interface.wakeups import Wakeups
from ..operations.tables import Tables
from ..values.clock import Clock
from ..values.errors import OutcomeUnknown, Overloaded, SessionError, StoreClosed
from ..values.guarantees import Atomicity, Durability, Guarantees, Scope
from ..values.ids import new_session_id
from ..values.limits import StoreLimits
from .facade import CommandStore
from .principal import PrincipalStore
from .threads.bridge import ThreadBridge, suspend_at

__all__ = ["ActorSessionStore", "session_error"]


class ActorSessionStore(CommandStore, ThreadBridge):
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
        self._wakeups, self._listeners = Wakeups(), Listeners()
        tables.connect(self._wakeups.notify, self._listeners)
        runner: Runner[Tables] = _MemoryRunner(tables, self._wakeups)
        self._actor = Actor(
            runner,
            name="sessionkeeper owner",
            capacity=capacity,
            capacity_bytes=capacity_bytes,
            translate=session_error,
        )
        self._run = self._actor.ask

    def __repr__(self) -> str:
        now = self._actor.statistics()
        return f"<{type(self).__name__} {now.state} mailbox={now.depth}/{now.capacity}>"

    @property
    def is_open(self) -> bool:
        """Whether it takes operations now."""
        return self._actor.statistics().state == "open"

    @property
    def mailbox(self) -> ActorStatistics:
        """One moment of the mailbox and its owner; O(1), never waits."""
        return self._actor.statistics()

    def observe(self, observer: Observer | None, /) -> None:
        """Tell an observer of each batch: its size, how long it waited and took."""
        self._actor.observe(observer)

    async def open(self) -> Self:
        """Start the owner on the running loop; `async with` does it for you.

        Raises `RuntimeError` when opened before.
        """
        await self._actor.open()
        return self

    async def aclose(self, *, timeout: float | None = None) -> None:
        """Refuse new operations, finish queued ones, stop. Idempotent.

        After `timeout` seconds, what is left is answered with `StoreClosed`: certainly no effect.
        """
        await self._actor.aclose(timeout=timeout)

    async def settle(self) -> None:
        await self._actor.settle()

    def for_principal(self, principal: str, /) -> PrincipalStore:
        return PrincipalStore(self, principal)

    def _refusals(self) -> Mapping[str, int]:
        return self._actor.statistics().refusals

    def bridge(self) -> tuple[Self, ThreadPort[Tables]]:
        """Return a facade that stops at its commands, and the way in for them."""
        facade = copy(self)
        facade._run = suspend_at
        return facade, self._actor.port()


class _MemoryRunner(LoopRunner[Tables]):
    def __init__(self, tables: Tables, wakeups: Wakeups) -> None:
        super().__init__(tables, expected=(SessionError,))
        self._wakeups = wakeups

    async def aclose(self) -> None:
        # However the owner ended: who watches must learn of it.
        self._wakeups.notify_all()


def session_error(error: ActorError) -> Exception:
    """Say an engine's error in the words of a store; wrong use stays what it is."""
    if isinstance(error, MailboxFull):
        return Overloaded()
    if isinstance(error, MailboxClosed | OwnerCrashed):
        closed = StoreClosed()
        closed.__cause__ = error if isinstance(error, OwnerCrashed) else None
        return closed
    if isinstance(error, LoopStopped):
        return OutcomeUnknown(new_session_id())
    if isinstance(error, WouldBlock):
        return WouldBlock("await the store itself")
    if isinstance(error, WrongLoop):
        return WrongLoop(
            error.where, "from elsewhere use the thread-safe facade, ThreadSafeSessionStore"
        )
    return error
