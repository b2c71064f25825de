"""A command that a thread has sent."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Any

from .command import Command

__all__ = ["PendingCall"]


class PendingCall:
    """A command that a thread sent, and the reply it waits for.

    Settled once, on the loop, like any reply. Its thread is woken later, by its port.
    """

    __slots__ = ("_settled_by", "command", "error", "given_up", "lock", "settled", "value")

    def __init__(
        self, command: Command[Any, Any], settled_by: Callable[[PendingCall], None]
    ) -> None:
        self.command = command
        self._settled_by = settled_by
        self.value: Any = None
        self.error: BaseException | None = None
        self.settled = self.given_up = False
        # A bare lock, acquired once here and once by the waiting thread: the cheapest way to block.
        self.lock = Lock()
        self.lock.acquire()

    def done(self) -> bool:
        return self.settled or self.given_up

    def set_result(self, value: object, /) -> None:
        self.value = value
        self.settled = True
        self._settled_by(self)

    def set_exception(self, error: BaseException, /) -> None:
        self.error = error
        self.settled = True
        self._settled_by(self)

    def wake(self) -> None:
        """Wake its thread."""
        with suppress(RuntimeError):  # woken before
            self.lock.release()
