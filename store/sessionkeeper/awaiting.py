"""How an owner works for a store it must await: one operation after the other.

Others run while it waits; nobody else's operation on this store does.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, copy_context
from typing import TypeAlias, TypeVar

import msgspec
from soleowner import Batch, CallerError, Runner, fail, succeed

from .atomic import Change
from .errors import OutcomeUnknown, SessionError
from .ids import new_session_id
from .interface import SessionStore
from .session import Session

__all__ = ["Await", "AwaitingRunner", "Operation"]

R = TypeVar("R")
Operation: TypeAlias = Callable[[SessionStore], Awaitable[R]]

# Set in the owner's context, and so in everything the inner store starts: an operation that came
# back to its own owner would wait for itself.
_inside: ContextVar[object] = ContextVar("sessionkeeper_inside", default=None)


class Await(msgspec.Struct, frozen=True):
    """The command that awaits an operation on the inner store."""

    operation: Operation[object]
    weight: int = 0

    def apply(self, state: SessionStore, /) -> Awaitable[object]:
        return self.operation(state)


class AwaitingRunner(Runner[SessionStore]):
    """Awaits each operation before the next one begins."""

    def __init__(self, inner: SessionStore) -> None:
        self._inner = inner
        self._changing = False
        self.refusals: Counter[str] = Counter()
        """Operations answered with a `SessionError`, by the name of its class."""

    @property
    def applying(self) -> bool:  # type: ignore[override]  # asked, not kept: others run meanwhile
        """Whether the asking code is a change, or was started by an operation of this owner."""
        return self._changing or _inside.get() is self

    def applier(self, change: Change) -> Change:
        """Wrap the caller's function: it sees the caller's context, and its errors stay its own."""
        context = copy_context()

        def apply(session: Session) -> Session:
            self._changing = True
            try:
                return context.run(change, session)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:
                raise CallerError(error) from None
            finally:
                self._changing = False

        return apply

    async def run(self, batch: Batch[SessionStore], /) -> None:
        """Await and settle one by one; any error belongs to its caller."""
        _inside.set(self)
        owner = asyncio.current_task()
        for command, reply in batch:
            if reply.done():
                continue
            try:
                value = await command.apply(self._inner)
            except asyncio.CancelledError:
                fail(reply, OutcomeUnknown(new_session_id()))
            except Exception as error:
                if isinstance(error, SessionError):
                    self.refusals[type(error).__name__] += 1
                fail(reply, error)
            else:
                succeed(reply, value)
            # Asked of the task: an inner store may raise a CancelledError nobody sent it, and
            # may swallow the one that ends the owner.
            if owner is not None and owner.cancelling():
                raise asyncio.CancelledError
