"""The commands that an owner applies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

__all__ = ["Command"]

S_contra = TypeVar("S_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Command(ABC, Generic[S_contra, R_co]):
    """One atomic operation on a state S whose reply is an R.

    Write it as a frozen, slotted class whose fields are the arguments. The reply has the type of
    the command: asking for a `Command[S, int]` gives an `int`.
    """

    __slots__ = ()

    weight: int = 0
    """How many bytes the command counts for in a mailbox bounded by bytes."""

    @abstractmethod
    def apply(self, state: S_contra, /) -> R_co:
        """Run as the owner. Check first, change last; never await.

        An error the runner *expects* goes to the caller alone, and must leave the state as it
        was. Any other error is taken for a bug and ends the owner.
        """
