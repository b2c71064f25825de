"""The common part of stores with an owner: opening, closing, the mailbox, the port for threads.

The backends subclass `OwnerBackedStore`. A store in front of a third party's store shares only
`OwnerLifecycle`.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, Self

from soleowner import (
    Actor,
    ActorError,
    ActorState,
    ActorStatistics,
    LoopPort,
    LoopStopped,
    MailboxClosed,
    MailboxFull,
    Observer,
    OwnerCrashed,
    ThreadPort,
    WouldBlock,
    WrongLoop,
)

from ..interface.listeners import Listeners
from ..interface.wakeups import StoreWakeups
from ..values.errors import OutcomeUnknown, Overloaded, StoreClosed
from ..values.ids import new_session_id
from .facade import CommandStore
from .principal import PrincipalStore
from .threads.bridge import ThreadBridge, suspend_at

__all__ = ["OwnerBackedStore", "OwnerLifecycle", "session_error"]


class OwnerLifecycle(ThreadBridge):
    """The methods of a store that concern only its owner."""

    _actor: Actor[Any]

    def __repr__(self) -> str:
        now = self._actor.statistics()
        return f"<{type(self).__name__} {now.state} mailbox={now.depth}/{now.capacity}>"

    @property
    def is_open(self) -> bool:
        """Whether it accepts operations now."""
        return self._actor.statistics().state is ActorState.OPEN

    @property
    def mailbox(self) -> ActorStatistics:
        """One moment of the mailbox and its owner; O(1), never waits."""
        return self._actor.statistics()

    def observe(self, observer: Observer | None, /) -> None:
        """Notify an observer of each batch: its size, how long it waited and how long it took."""
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


class OwnerBackedStore(OwnerLifecycle, CommandStore):
    """A store whose commands are sent to an owner, which applies them to its tables."""

    def __init__(self, actor: Actor[Any], *, wakeups: StoreWakeups, listeners: Listeners) -> None:
        self._actor = actor
        self._wakeups, self._listeners = wakeups, listeners
        self._run = actor.ask

    def for_principal(self, principal: str, /) -> PrincipalStore:
        return PrincipalStore(self, principal)

    def bridge(self) -> tuple[Self, ThreadPort[Any]]:
        """Return a facade that only makes commands, and the port that sends them."""
        facade = copy(self)
        facade._run = suspend_at
        return facade, self._actor.port()

    def loop_port(self) -> LoopPort[Any]:
        """Return the port for tasks of other event loops. Raises as an operation if not open."""
        return self._actor.loop_port()

    def _refusals(self) -> Mapping[str, int]:
        return self._actor.statistics().refusals


def session_error(error: ActorError) -> Exception:
    """Translate an error of the engine into one of a store; errors of wrong use are kept."""
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
