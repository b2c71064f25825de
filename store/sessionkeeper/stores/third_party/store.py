"""The store that gives any third-party store an owner.

This store refuses operations that the ten methods of `SessionStore` cannot do whole: it never
weakens a promise silently.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import copy_context
from copy import copy
from datetime import datetime
from typing import ClassVar, Self, TypeVar, cast

from soleowner import Actor, Command, ThreadPort

from ...interface.arguments import checked_count, checked_past, checked_seconds
from ...interface.session_store import SessionStore
from ...values.clock import Clock
from ...values.events import Listener
from ...values.guarantees import Atomicity, Durability, Guarantees, Scope
from ...values.session import Session
from ...values.statistics import StoreStatistics
from ..owner_backed import OwnerLifecycle, session_error
from ..threads.bridge import Ask, suspend_at
from . import sweeps
from .bookkeeping import Bookkeeping
from .facade import AwaitedStore
from .principal import OwnedPrincipalStore
from .runner import AsyncRunner, AwaitOperation
from .tracking_store import TrackingStore

__all__ = ["OwnedSessionStore"]

R = TypeVar("R")


class OwnedSessionStore(OwnerLifecycle, AwaitedStore):
    """Makes every operation through it atomic within this process.

    It does not control other processes that use the same inner store. Refused with
    `NotImplementedError`: `touch_session`, `trim_frames`, `remove_frames`, and `add_frames` of more
    than one frame.

    For each session it saw, the owner notes what the inner store does not provide, without payload.
    Ages use the steady clock for operations through this object. For earlier and other changes, the
    inner store's times are compared with the wall clock once, when they are first seen.
    """

    guarantees: ClassVar[Guarantees] = Guarantees(
        operation=Atomicity.LINEARIZABLE,
        batch=Atomicity.NONE,
        listing=Atomicity.LINEARIZABLE,
        durability=Durability.INNER,
        scope=Scope.PROCESS,
    )

    def __init__(
        self, inner: SessionStore, *, capacity: int = 1024, clock: Clock | None = None
    ) -> None:
        if not isinstance(inner, SessionStore):
            raise TypeError(f"a SessionStore is expected, not {type(inner).__name__}")
        clock = Clock() if clock is None else clock
        if not isinstance(clock, Clock):
            raise TypeError(f"a Clock is expected, not {type(clock).__name__}")
        self._bookkeeping = Bookkeeping(clock)
        runner = AsyncRunner(inner, self._bookkeeping)
        self._applier, self._wakeups = runner.applier, self._bookkeeping.wakeups
        self._known = self._bookkeeping.index.__getitem__
        self._actor = Actor(
            runner,
            name="sessionkeeper owner",
            capacity=capacity,
            translate=session_error,
        )
        self._ask: Ask[SessionStore] = self._actor.ask

    async def open(self) -> Self:
        """Start the owner; the caller opens and closes the inner store."""
        return await super().open()

    async def aclose(self, *, timeout: float | None = None) -> None:
        """Finish queued operations and stop; the inner store stays open.

        After `timeout` seconds, queued operations are answered with `StoreClosed`, and the running
        operation of the inner store is cancelled and answered with `OutcomeUnknown`.
        """
        await super().aclose(timeout=timeout)

    async def _do(self, operation: Callable[[TrackingStore], Awaitable[R]], /) -> R:
        bookkeeping, context = self._bookkeeping, copy_context()
        waiting = AwaitOperation(
            lambda inner: operation(TrackingStore(inner, bookkeeping, context))
        )
        command: Command[SessionStore, R] = cast("Command[SessionStore, R]", waiting)
        return await self._ask(command)

    def bridge(self) -> tuple[Self, ThreadPort[SessionStore]]:
        """Return a facade that only makes commands, and the port that sends them."""
        facade = copy(self)
        facade._ask = suspend_at
        return facade, self._actor.port()

    async def expire_sessions(
        self, *, idle: float | None = None, age: float | None = None, limit: int = 100
    ) -> list[Session]:
        """End sessions as the interface says, at the cost of listing them all.

        The inner store sets their `last_activity`, as in an update. A session that another process
        changes or deletes meanwhile is left unchanged. An error after some were ended is logged,
        and those are returned: they have ended. Raises `TypeError`, `ValueError`, and what the
        inner store raises.
        """
        checked_count("limit", limit, minimum=1)
        idle, age = checked_seconds("idle", idle), checked_seconds("age", age)
        return await self._do(
            lambda inner: sweeps.expire(inner, self._bookkeeping, idle, age, limit)
        )

    async def purge_sessions(
        self,
        *,
        ended_before: datetime | None = None,
        ended_for: float | None = None,
        limit: int = 100,
    ) -> int:
        """Delete sessions as the interface says, at the cost of listing them all.

        If the inner store has no end time for a session, its last activity counts as its end. An
        error after some were deleted is logged, and their number returned: they are gone. Raises
        `TypeError`, `ValueError`, and what the inner store raises.
        """
        checked_count("limit", limit, minimum=1)
        before, span = checked_past(ended_before, ended_for)
        return await self._do(
            lambda inner: sweeps.purge(inner, self._bookkeeping, before, span, limit)
        )

    def subscribe(self, listener: Listener, /) -> Callable[[], None]:
        return self._bookkeeping.listeners.add(listener)

    def for_principal(self, principal: str, /) -> OwnedPrincipalStore:
        return OwnedPrincipalStore(self, principal)

    async def statistics(self) -> StoreStatistics:
        """Return the statistics of one moment, by listing all sessions.

        A session created before this object, or directly in the inner store, counts as created when
        it is first seen, and as deleted when it is first missed; the sums hold. Bytes are unknown.
        """
        held = await self._do(lambda inner: sweeps.count_all(inner, self._bookkeeping))
        return StoreStatistics(
            sessions=held.sessions,
            frames=held.frames,
            bytes=held.bytes,
            counters=held.counters,
            mailbox=self.mailbox,
            refusals=self.mailbox.refusals,
        )
