"""What a model is: the sequential behaviour that a history is judged by."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from typing import ClassVar, Protocol, TypeVar

from ..history.operation import Operation
from .facts import Fact

__all__ = ["Model", "OrderKey"]

S = TypeVar("S", bound=Hashable)

OrderKey = tuple[int, ...]


class Model(Protocol[S]):
    """A state machine whose states are hashable; pure, and without a clock.

    A model may hold what it computed before, never what an earlier call did.
    """

    name: ClassVar[str]

    @abstractmethod
    def init(self) -> S:
        """Return the state before the first operation."""
        ...

    @abstractmethod
    def step(self, state: S, operation: Operation, /) -> Iterable[S]:
        """Return the states in which the operation may leave `state`; none if it cannot be next.

        The result of an operation whose outcome is not known says nothing.
        """
        ...

    @abstractmethod
    def key(self, operation: Operation, /) -> tuple[Hashable, ...] | None:
        """Return the keys an operation touches; None when it touches all of them.

        Operations without a key in common, not even over others, must not influence each other.
        """
        ...

    @abstractmethod
    def is_read(self, operation: Operation, /) -> bool:
        """Whether it never changes what other operations see."""
        ...

    def is_evidence(self, operation: Operation, /) -> bool:
        """Whether the model checks it; what is refused without saying why, it does not."""
        return True

    def check_shape(self, operation: Operation, /) -> None:
        """Raise `ValueError` unless it is an operation that the model can judge.

        For what comes from a file; the other methods rely on it.
        """
        return

    @abstractmethod
    def describe(self, state: S, /) -> str:
        """Return the state in words, without payloads."""
        ...

    @abstractmethod
    def explain(self, state: S, operation: Operation, /) -> str:
        """Say what the operation saw or did, and what `state` would have answered."""
        ...

    def facts(self, operation: Operation, /) -> Iterable[Fact]:
        """Return what the operation says about numbered things in logs."""
        return ()

    def stamps(self, operation: Operation, /) -> Sequence[int]:
        """Return the new numbers that the one counter of the store gave in the operation."""
        return ()

    def order(self, operation: Operation, /) -> OrderKey | None:
        """Return its place in the order that numbers in its result suggest; None if they do not.

        A suggestion only: the checker goes through that order step by step.
        """
        return None
