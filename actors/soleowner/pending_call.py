"""A command that a thread has sent, and how waiting threads are woken."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

from .command import Command

__all__ = ["PendingCall", "wake_all"]


class PendingCall:
    """A command that a thread sent, and the reply it waits for.

    Settled once, on the loop, like any reply. Its thread is woken later, by its port or by another
    thread, and then wakes `others`.
    """

    __slots__ = (
        "_settled_by",
        "command",
        "error",
        "given_up",
        "lock",
        "others",
        "settled",
        "value",
    )

    def __init__(
        self, command: Command[Any, Any], settled_by: Callable[[PendingCall], None]
    ) -> None:
        self.command = command
        self._settled_by = settled_by
        self.value: Any = None
        self.error: BaseException | None = None
        self.settled = self.given_up = False
        self.others: tuple[PendingCall, ...] = ()
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

    def give_up(self) -> None:
        """Note that nobody waits any more, and wake the threads that this one would have woken."""
        self.given_up = True
        if self.lock.acquire(blocking=False) or self.settled:
            self.wake_others()

    def wake(self) -> None:
        """Wake its thread."""
        try:
            self.lock.release()
        except RuntimeError:  # woken before
            return
        # If the thread has left, one of the two takes the lock, and wakes the others.
        if self.given_up and self.lock.acquire(blocking=False):
            self.wake_others()

    def wake_others(self) -> None:
        """Wake the other threads; a woken thread calls this first."""
        for other in self.others:
            other.wake()


def wake_all(calls: list[PendingCall]) -> None:
    """Wake one thread, which wakes two, which wake two each.

    Woken all at once, they would wait a second time, for the interpreter's lock.
    """
    for place, call in enumerate(calls):
        call.others = tuple(calls[2 * place + 1 : 2 * place + 3])
    if calls:
        calls[0].wake()
