"""A queued command with its reply, and the place where replies are settled.

Nothing else sets a result or an exception, but for `LoopRunner`, which saves the call: a caller may
have been cancelled at any moment, and `set_result` on a cancelled future would end the owner
(websockets#634, aiosqlite#80).
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, TypeVar

from .command import Command
from .errors import CallerError

__all__ = ["Batch", "Envelope", "Reply", "fail", "succeed"]

S = TypeVar("S")


class Reply(Protocol):
    """The part of a reply that a runner may use: a future, or the reply of a waiting thread."""

    def done(self) -> bool:
        """Whether it is settled, or nobody waits for it any more."""
        ...

    # Any: a future of an `int` takes an `int`, and the mailbox carries all of them.
    def set_result(self, value: Any, /) -> None:
        """Settle it with a value."""

    def set_exception(self, error: BaseException, /) -> None:
        """Settle it with an error."""


# A plain tuple: an object with a name would cost a fifth of the whole round trip.
# Any: one mailbox carries replies of every type; `Actor.ask` knows which.
Envelope: TypeAlias = "tuple[Command[S, Any], Reply]"
Batch: TypeAlias = "list[Envelope[S]]"


def succeed(reply: Reply, value: object) -> None:
    """Answer, unless nobody waits any more."""
    if not reply.done():
        reply.set_result(value)


def fail(reply: Reply, error: BaseException) -> None:
    """Answer with an error, unless nobody waits any more."""
    if reply.done():
        return
    if isinstance(error, CallerError):
        error = error.error
    if isinstance(error, StopIteration):
        # A future cannot carry one; a generator would turn it into the same (PEP 479).
        stopped = RuntimeError("the caller's own code raised StopIteration")
        stopped.__cause__ = error
        error = stopped
    reply.set_exception(error)
