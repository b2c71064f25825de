"""The runner of an owner around an asynchronous store: one operation after the other.

Other tasks run while it waits, but no other operation on this store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, copy_context
from typing import TypeAlias, TypeVar

import msgspec
from soleowner import Batch, CallerError, Runner, fail, succeed

from ...interface.atomic_store import Change
from ...interface.session_store import SessionStore
from ...values.errors import OutcomeUnknown, SessionError
from ...values.session import Session
from .bookkeeping import Bookkeeping

__all__ = ["AwaitOperation", "AsyncRunner", "Operation"]

R = TypeVar("R")
Operation: TypeAlias = Callable[[SessionStore], Awaitable[R]]

# Set in the owner's context, and so in everything the inner store starts: an operation that came
# back to its own owner would wait for itself.
_inside: ContextVar[object] = ContextVar("sessionkeeper_inside", default=None)


class AwaitOperation(msgspec.Struct, frozen=True):
    """The command that awaits an operation on the inner store."""

    operation: Operation[object]
    weight: int = 0

    def apply(self, state: SessionStore, /) -> Awaitable[object]:
        return self.operation(state)


class AsyncRunner(Runner[SessionStore]):
    """Awaits each operation before the next one begins."""

    def __init__(self, inner: SessionStore, bookkeeping: Bookkeeping) -> None:
        self._inner = inner
        self._bookkeeping = bookkeeping
        self._changing = False

    @property
    def applying(self) -> bool:  # type: ignore[override]  # asked, not kept: others run meanwhile
        """Whether the calling code is a change, a listener, or was started by an operation."""
        return self._changing or self._bookkeeping.telling or _inside.get() is self

    def inside(self) -> bool:
        """Whether the thread runs for an operation of this owner, as with `asyncio.to_thread`."""
        return _inside.get() is self

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
                self.refuse(reply, OutcomeUnknown())
            except Exception as error:
                # Only errors of a store count as refusals; others only reach their caller.
                (self.refuse if isinstance(error, SessionError) else fail)(reply, error)
            else:
                succeed(reply, value)
            # The task knows: an inner store may raise a CancelledError by itself, and may swallow
            # the one that ends the owner.
            if owner is not None and owner.cancelling():
                raise asyncio.CancelledError

    async def aclose(self) -> None:
        """Wake all watchers when the owner has ended, however it ended."""
        self._bookkeeping.wakeups.notify_all()
