"""The interface of a model: the sequential behaviour that a history is checked against."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from typing import ClassVar, NamedTuple, Protocol, Self, TypeVar, cast

from ..history.exact import exact
from ..history.operation import Header, Operation
from .facts import Fact

__all__ = ["CounterUse", "Model", "OrderKey"]

S = TypeVar("S", bound=Hashable)

OrderKey = tuple[int, ...]


class CounterUse(NamedTuple):
    """What an operation shows of the store's counter; None where it shows nothing."""

    given: int | None
    """The first number it was given: the counter had given only lower ones before."""
    reached: int | None
    """The highest number known to have been given after it."""


class Model(Protocol[S]):
    """A state machine whose states are hashable; pure, and without a clock.

    A model may hold what it computed before, never what an earlier call did. Values of arguments
    and results that are `==` need not be the same: `history.exact` says which are.
    """

    name: ClassVar[str]

    @abstractmethod
    def init(self) -> S:
        """Return the state before the first operation."""
        ...

    @abstractmethod
    def step(self, state: S, operation: Operation, /) -> Iterable[S]:
        """Return the states in which the operation may leave `state`; none if it cannot be next.

        The result of an operation of unknown outcome is ignored.
        """
        ...

    def state_key(self, state: S, /) -> Hashable:
        """Return a key that is equal exactly for equal states.

        A model whose states are `==` only then may return the state, which costs less.
        """
        return cast("Hashable", exact(state))

    def for_header(self, header: Header, /) -> Self:
        """Return the model for histories with this header."""
        return self

    @abstractmethod
    def key(self, operation: Operation, /) -> tuple[Hashable, ...] | None:
        """Return the keys an operation touches; None when it touches all of them.

        Operations that share no key, not even through others, must not influence each other.
        """
        ...

    @abstractmethod
    def is_read(self, operation: Operation, /) -> bool:
        """Whether the operation never changes what others see."""
        ...

    def is_evidence(self, operation: Operation, /) -> bool:
        """Whether the model checks the operation. A refusal without a reason is not checked."""
        return True

    def check_shape(self, operation: Operation, /) -> None:
        """Raise `ValueError` unless the model can check the operation.

        Called for operations from a file; the other methods rely on it.
        """
        return

    @abstractmethod
    def describe(self, state: S, /) -> str:
        """Describe the state, without payloads."""
        ...

    @abstractmethod
    def explain(self, state: S, operation: Operation, /) -> str:
        """Explain what the operation saw or did, and what `state` would have answered."""
        ...

    def facts(self, operation: Operation, /) -> Iterable[Fact]:
        """Return what the operation shows about numbered items in logs."""
        return ()

    def stamps(self, operation: Operation, /) -> Sequence[int]:
        """Return the new numbers that the one counter of the store gave in the operation."""
        return ()

    def counter_uses(self, order: Sequence[tuple[Operation, S]], /) -> list[CounterUse]:
        """Return how each operation of an order that works uses the counter, given the states
        after them; an empty list when none does.

        Operations without a key in common may influence each other by the counter alone, and only
        so: one that was given a number comes before all that show the counter to be there.
        """
        stamps = [self.stamps(operation) for operation, _ in order]
        if not any(stamps):
            return []
        return [
            CounterUse(min(each), max(each)) if each else CounterUse(None, None) for each in stamps
        ]

    def order(self, operation: Operation, /) -> OrderKey | None:
        """Return its place in the order that numbers in its result suggest; None if they do not.

        A suggestion only: the checker goes through that order step by step.
        """
        return None
