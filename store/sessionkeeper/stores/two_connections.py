"""A store on two connections: one owner writes, and a second one reads beside it."""

from __future__ import annotations

from typing import Any

from soleowner import ActorPair, Batch, Command, ThreadRunner, Transactions

from ..interface.listeners import Listeners
from ..interface.wakeups import StoreWakeups
from ..values.errors import SessionError
from .owner_backed import OwnerBackedStore, session_error

__all__ = ["TwoConnectionStore"]


class TwoConnectionStore(OwnerBackedStore):
    """A store whose writer and reader have a thread and a mailbox each, named after the backend.

    A read sees every write that was answered before it was called, and the outcome of a write that
    its caller gave up.
    """

    def __init__(
        self,
        writer: Transactions[Any],
        reader: Transactions[Any],
        *,
        name: str,
        wakeups: StoreWakeups,
        listeners: Listeners,
        capacity: int,
        capacity_bytes: int,
    ) -> None:
        writing = _Runner(writer, wakeups, f"sessionkeeper {name}")
        self._pair: ActorPair[Any] = ActorPair(
            writing,
            _ReadingRunner(reader, wakeups, f"sessionkeeper {name} reading", writing),
            reads=self._reads_aside,
            name="sessionkeeper owner",
            capacity=capacity,
            capacity_bytes=capacity_bytes,
            translate=session_error,
        )
        super().__init__(self._pair, wakeups=wakeups, listeners=listeners)

    @staticmethod
    def _reads_aside(command: Command[Any, Any], /) -> bool:
        """Whether a command goes to the connection that only reads."""
        # Not `isinstance`: with an abstract class it costs as much as the rest of the call.
        return bool(getattr(command, "read_only", False))


class _Runner(ThreadRunner[Any]):
    def __init__(self, storage: Transactions[Any], wakeups: StoreWakeups, name: str) -> None:
        super().__init__(storage, expected=(SessionError,), name=name)
        self._wakeups = wakeups

    async def aclose(self) -> None:
        await super().aclose()
        # However the owner ended, its watchers must learn of it.
        await self._wakeups.aclose()


class _ReadingRunner(_Runner):
    def __init__(
        self, storage: Transactions[Any], wakeups: StoreWakeups, name: str, writing: _Runner
    ) -> None:
        super().__init__(storage, wakeups, name)
        self._writing = writing

    async def run(self, batch: Batch[Any], /) -> None:
        # A caller that gave up on a write reads its outcome next, and must not read too early.
        await self._writing.settled()
        await super().run(batch)
