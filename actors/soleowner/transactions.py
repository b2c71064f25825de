"""What a thread runner works on: storage that applies a batch as one transaction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from .command import Command

__all__ = ["Post", "Transactions"]

S = TypeVar("S")
R = TypeVar("R")

Post: TypeAlias = Callable[[Callable[[], None]], None]
"""Has a function called on the owner's loop, if that is still there; from any thread."""


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
        """Make it stand, and return what is to be done on the loop before the replies."""

    @abstractmethod
    def rollback(self) -> None:
        """Undo all since `begin`, whatever became of it; must not raise."""

    def refuse(self, error: Exception, /) -> Callable[[], Exception] | None:
        """Say what each caller of a failed batch is told; None for what only a bug can raise.

        Asked after the rollback.
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
        """Let go of everything; must not raise."""

    def interrupt(self) -> None:
        """Make what runs on the thread give up; called on the loop, when the owner is cancelled.

        What was under way then raises in `begin`, `apply` or `commit`, or is finished.
        """

    @abstractmethod
    def lost(self) -> Exception:
        """Say what a caller is told whose command the thread neither finished nor gave up."""
