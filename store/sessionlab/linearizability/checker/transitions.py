"""States and transitions as numbers, so that the model is called once for each transition."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from ..history.exact import exact
from ..history.operation import Operation, Outcome
from ..models.model import Model
from ..time_limit import UNLIMITED, TimeLimit

__all__ = ["IMPOSSIBLE", "TooManyStates", "Transitions"]

S = TypeVar("S", bound=Hashable)

IMPOSSIBLE = -1
_MAX_NEXT_STATES = 4096
_STATE = 200
"""Work to compare a state with those known, which may be large."""


class TooManyStates(Exception):
    """One operation leads to more states than can be tried."""


class Transitions(Generic[S]):
    """The tables of a search: for each operation, from the number of a state to that of the next.

    A number below -1 stands for `several` next states. Equal operations share a table.
    """

    def __init__(
        self,
        model: Model[S],
        operations: Sequence[Operation],
        definite: int,
        limit: TimeLimit = UNLIMITED,
    ) -> None:
        self._model = model
        self._operations = operations
        self._definite = definite
        self._limit = limit
        self._several: list[tuple[int, ...]] = []
        self._numbers: dict[Hashable, int] = {}
        self.states: list[S] = []
        self.tables: list[dict[int, int]] = []
        self.alike_before: list[int] = []
        """By operation of unknown outcome: the number of the last equal one before it, or -1."""
        shared: dict[Hashable, dict[int, int]] = {}
        last: dict[int, int] = {}
        for index, operation in enumerate(limit.watch(operations)):
            known = operation.outcome is not Outcome.UNKNOWN
            seen = operation.result if known else None
            key = (operation.name, exact(operation.argument), exact(seen), operation.outcome)
            table = shared.setdefault(key, {})
            self.tables.append(table)
            self.alike_before.append(-1 if known else last.get(id(table), -1))
            if not known:
                last[id(table)] = index - definite

    def number(self, state: S) -> int:
        """Return the number of a state; the same state has the same."""
        number = self._numbers.setdefault(self._model.state_key(state), len(self.states))
        if number == len(self.states):
            self.states.append(state)
        return number

    def several(self, number: int) -> tuple[int, ...]:
        """Return the next states that a number below -1 stands for."""
        return self._several[IMPOSSIBLE - number - 1]

    def step(self, index: int, state: int) -> int:
        """Compute the next states with the model, and remember them.

        Raises `TooManyStates`, `OutOfTime`.
        """
        self._limit.look()
        operation = self._operations[index]
        following: dict[int, None] = {}
        for reached in self._model.step(self.states[state], operation):
            following[self.number(reached)] = None
            self._limit.spend(_STATE)
            if len(following) > _MAX_NEXT_STATES:
                raise TooManyStates
        if index >= self._definite and len(following) > 1:
            following.pop(state, None)  # an unknown outcome may also be none
        if len(following) > 1:
            self._several.append(tuple(following))
            number = IMPOSSIBLE - len(self._several)
        else:
            number = next(iter(following), IMPOSSIBLE)
        self.tables[index][state] = number
        return number
