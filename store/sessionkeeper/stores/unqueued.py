"""Two stores without an owner, for comparison: the same rules and tables, run differently.

On one event loop both are atomic. `docs/why.md` says what they lack without an owner.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import ClassVar, TypeVar

from soleowner import CallerError, Command

from ..backends.memory import MemoryTables
from ..interface.listeners import Listeners
from ..interface.wakeups import StoreWakeups
from ..operations.tables import Tables
from ..values.clock import Clock
from ..values.errors import SessionError
from ..values.guarantees import Atomicity, Durability, Guarantees, Scope
from ..values.limits import StoreLimits
from .facade import CommandStore
from .principal import PrincipalStore

__all__ = ["LockedSessionStore", "PlainSessionStore"]

R = TypeVar("R")

_IN_MEMORY = Guarantees(
    operation=Atomicity.LINEARIZABLE,
    batch=Atomicity.LINEARIZABLE,
    listing=Atomicity.LINEARIZABLE,
    durability=Durability.MEMORY,
    scope=Scope.PROCESS,
)


class PlainSessionStore(CommandStore):
    """Applies a command at once: on one loop, a body that never awaits is atomic.

    No mailbox, so no back-pressure, no batch, and no place to put a slower backend.
    """

    guarantees: ClassVar[Guarantees] = _IN_MEMORY

    def __init__(self, *, limits: StoreLimits | None = None, clock: Clock | None = None) -> None:
        self._tables = MemoryTables(limits, clock)
        self._wakeups, self._listeners = StoreWakeups(), Listeners()
        self._tables.connect(self._wakeups.notify, self._listeners)
        self._refused: Counter[str] = Counter()
        self._applying = False
        self._run = self._run_command

    async def _run_command(self, command: Command[Tables, R], /) -> R:
        return self._apply(command)

    def _apply(self, command: Command[Tables, R]) -> R:
        if self._applying:
            raise RuntimeError("a change cannot call the store that is applying it")
        self._applying = True
        try:
            return command.apply(self._tables)
        except CallerError as raised:
            if isinstance(raised.error, StopIteration):
                # A coroutine cannot raise one; the text is that of an owner.
                raise RuntimeError("the caller's own code raised StopIteration") from raised.error
            raise raised.error from None
        except SessionError as refusal:
            self._refused[type(refusal).__name__] += 1
            raise
        finally:
            self._applying = False

    def for_principal(self, principal: str, /) -> PrincipalStore:
        return PrincipalStore(self, principal)

    def _refusals(self) -> Mapping[str, int]:
        return dict(self._refused)


class LockedSessionStore(PlainSessionStore):
    """Applies a command while holding one `asyncio.Lock`, as most session stores do."""

    def __init__(self, *, limits: StoreLimits | None = None, clock: Clock | None = None) -> None:
        super().__init__(limits=limits, clock=clock)
        self._lock = asyncio.Lock()

    async def _run_command(self, command: Command[Tables, R], /) -> R:
        # Without this, a `change` that calls the store would wait for the lock it runs under.
        if self._applying:
            return self._apply(command)
        async with self._lock:
            return self._apply(command)
