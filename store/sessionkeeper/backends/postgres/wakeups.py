"""Wake-ups that also come from other processes while somebody watches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

from ...interface.wakeups import StoreWakeups, Wakeup
from .driver import StoreConnection
from .notice_listener import NoticeListener

__all__ = ["PostgresWakeups"]


class PostgresWakeups(StoreWakeups):
    """The wake-ups of one store, by its own operations and by those of other processes."""

    __slots__ = ("_listener",)

    def __init__(self) -> None:
        super().__init__()
        self._listener: NoticeListener | None = None

    def connect(
        self,
        open_connection: Callable[[], Awaitable[StoreConnection]],
        writer_id: Callable[[], int],
    ) -> None:
        """Listen to the notices of other writers while somebody watches; call it on the loop.

        `open_connection` makes a connection for the listener alone, and `writer_id` returns the
        id under which the store writes now. Nothing is said to the server until somebody watches.
        """
        self._listener = NoticeListener(self, open_connection, writer_id)

    async def aclose(self) -> None:
        """Stop listening, and wake all watchers: the store has ended. Idempotent."""
        try:
            if self._listener is not None:
                await self._listener.aclose()
        finally:
            self.notify_all()

    @contextmanager
    def register(self, session_id: str, wakeup: Wakeup) -> Generator[None]:
        """Have something woken by the wake-ups of a session while the block runs."""
        listener = self._listener
        with super().register(session_id, wakeup):
            if listener is None:
                yield
                return
            listener.watch()
            try:
                yield
            finally:
                listener.release()
