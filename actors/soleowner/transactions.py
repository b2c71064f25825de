"""The storage of a thread runner: it applies a batch as one transaction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from .command import Command

__all__ = ["Post", "Transactions"]

S = TypeVar("S")
R = TypeVar("R")

Post: TypeAlias = Callable[[Callable[[], None]], None]
"""Calls a function on the owner's loop, if that still exists; usable from any thread."""


class Transactions(ABC, Generic[S]):
    """Storage with a beginning, a commit and a rollback, used by one thread from open to close.

    Everything but `interrupt` and `lost` is called on that thread.
    """

    @abstractmethod
    def open(self, post: Post, /) -> None:
        """Get ready; an error here is raised by `Actor.open`, and nothing must stay open."""

    @abstractmethod
    def begin(self, commands: Sequence[Command[S, Any]], /) -> None:
        """Begin a transaction for these commands."""

    @abstractmethod
    def apply(self, command: Command[S, R], /) -> R:
        """Apply one command; an expected error must leave the state as it was."""

    @abstractmethod
    def commit(self) -> Callable[[], None] | None:
        """Commit, and return what to call on the loop before the replies."""

    @abstractmethod
    def rollback(self) -> None:
        """Undo everything since `begin`, in any state; must not raise."""

    def repeats(self, error: Exception, /) -> bool:
        """Whether a batch that failed with this error is to be applied again from its beginning.

        Called after the rollback: nothing of the batch stands, and no caller was told anything. The
        commands are applied again, so a storage that repeats says that a caller's code may run more
        than once. It also decides how often, and waits as long as it sees fit.
        """
        return False

    def refuse(self, error: Exception, /) -> Callable[[], Exception] | None:
        """Return the error for each caller of a failed batch; None for an error that is a bug.

        Called after the rollback.
        """
        return None

    def tidy(self) -> float | None:
        """Do one small piece of the storage's own work between batches; must not raise.

        Called after every batch has been answered, and again after as many seconds as it returns
        unless a batch comes first; None waits for the next batch.
        """
        return None

    @abstractmethod
    def close(self) -> None:
        """Release everything; must not raise."""

    def interrupt(self) -> None:
        """Interrupt the work on the thread; called on the loop, when the owner is cancelled.

        The interrupted work then raises in `begin`, `apply` or `commit`, or is finished.
        """

    @abstractmethod
    def lost(self) -> Exception:
        """Return the error for a command that the thread neither finished nor gave up."""
