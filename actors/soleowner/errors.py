"""Errors between a caller and an owner."""

from __future__ import annotations

from typing import Any

__all__ = [
    "ActorError",
    "CallerError",
    "LoopStopped",
    "MailboxClosed",
    "MailboxFull",
    "OwnerCrashed",
    "Reentrant",
    "WouldBlock",
    "WrongLoop",
]


class ActorError(Exception):
    """Root of the engine's own errors. A copy, also a pickled one, has everything but the cause."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Python calls the class again with the text, but most of these take other arguments.
        return _make_again, (type(self), self.args), vars(self)


class MailboxClosed(ActorError):
    """The actor takes no more commands; this one was certainly not applied."""

    def __init__(self) -> None:
        super().__init__("the actor is closed")


class MailboxFull(ActorError):
    """The mailbox is full and the caller chose not to wait; nothing was done."""

    def __init__(self, capacity: int) -> None:
        super().__init__(f"the mailbox is full (capacity {capacity})")
        self.capacity = capacity


class OwnerCrashed(ActorError):
    """The owner has ended with an unexpected error, which is the cause.

    The text names only the type of the error, because its message may contain secrets.
    """

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"the owner crashed with {type(cause).__name__}")
        self.__cause__ = cause


class WrongLoop(ActorError, RuntimeError):
    """The call came from another event loop, another thread, or a forked process."""

    def __init__(self, where: str, advice: str = "") -> None:
        advice = advice or "from elsewhere use a thread-safe port (soleowner.ThreadPort)"
        super().__init__(
            f"asked from {where}: an actor belongs to the loop that opened it; {advice}"
        )
        self.where = where


class WouldBlock(WrongLoop):
    """A thread-safe port was used on the loop's own thread: it would wait for itself."""

    def __init__(self, advice: str = "await the actor itself") -> None:
        super().__init__("the loop's own thread through a thread-safe port", advice)


class LoopStopped(ActorError):
    """The owner's loop stopped during a thread's command, which was applied whole or not at all."""

    def __init__(self) -> None:
        super().__init__("the loop of the owner stopped while it had the command")


class Reentrant(ActorError, RuntimeError):
    """The call came from inside a command: the owner would wait for itself."""

    def __init__(self) -> None:
        super().__init__("a command cannot ask the owner that is applying it")


class CallerError(ActorError):
    """Raised by a command to hand its caller an error from the caller's own code.

    The caller receives `error` itself; the owner lives on. Nothing may have been changed.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__("the caller's own code raised")
        self.error = error


def _make_again(kind: type[ActorError], args: tuple[Any, ...]) -> ActorError:
    return kind.__new__(kind, *args)
