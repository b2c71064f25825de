"""Operations of unknown outcome: which of them may have taken effect before the next known one.

They are placed nowhere else. No operation saw what took effect after the last known one, so it can
be left out.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeAlias, TypeVar

from ..history.operation import Operation
from ..time_limit import UNLIMITED, TimeLimit
from .transitions import IMPOSSIBLE, Transitions

__all__ = ["Order", "UnknownOutcomes"]

S = TypeVar("S", bound=Hashable)

Order: TypeAlias = object
"""An order as a linked list: (what came before, the operation placed last, the state then) or None;
an object to the type checkers, which cannot follow a tuple that grows in a loop."""

Jump: TypeAlias = tuple[int, Order, int, int]
"""(those used now, the order up to them, the operation that comes next, the state after it)"""


class UnknownOutcomes(Generic[S]):
    """The operations of unknown outcome of one search; they are the last of its operations."""

    def __init__(
        self,
        transitions: Transitions[S],
        operations: Sequence[Operation],
        definite: int,
        limit: TimeLimit = UNLIMITED,
    ) -> None:
        self._transitions = transitions
        self._calls = [operation.call for operation in operations[definite:]]
        self._definite = definite
        self._limit = limit

    def before(  # noqa: PLR0917 - a configuration, and what follows
        self, waiting: Sequence[int], bound: int, used: int, state: int, order: Order, count: int
    ) -> tuple[list[Jump], int]:
        """Return how one of `waiting` can come next after `count` operations of unknown outcome
        that were called by `bound`, and the number of steps this took: 0 if there are fewer.

        Raises `TooManyStates`, `OutOfTime`.
        """
        reached: dict[int, list[int]] = {state: [used]}
        ways: list[tuple[int, int, Order]] = [(used, state, order)]
        steps = 0
        for _ in range(count):
            longer: list[tuple[int, int, Order]] = []
            for before, reaching, way in ways:
                for number, index, after in self._next(bound, before, reaching):
                    steps += 1
                    others = reached.setdefault(after, [])
                    self._limit.spend(1 + len(others))
                    now = before | 1 << number
                    if any(other & ~now == 0 for other in others):
                        continue  # fewer operations lead to the same state
                    others.append(now)
                    longer.append((now, after, (way, index, after)))
            ways = longer
        if not ways:
            return [], 0
        tables = self._transitions.tables
        found: list[Jump] = []
        for now, after, way in ways:
            self._limit.spend(len(waiting))
            for i in waiting:
                following = tables[i].get(after)
                if following is None:
                    following = self._transitions.step(i, after)
                if following != IMPOSSIBLE:
                    found.append((now, way, i, following))
        return found, steps + len(ways) * len(waiting)

    def _next(self, bound: int, used: int, state: int) -> list[tuple[int, int, int]]:
        """Return (number, index, next state) of those that can take effect and change the state."""
        transitions = self._transitions
        found: list[tuple[int, int, int]] = []
        self._limit.spend(len(self._calls))
        for number, call in enumerate(self._calls):
            if call > bound:
                break
            index = self._definite + number
            before = transitions.alike_before[index]
            if used >> number & 1 or (before >= 0 and not used >> before & 1):
                continue
            following = transitions.tables[index].get(state)
            if following is None:
                following = transitions.step(index, state)
            if following in (state, IMPOSSIBLE):
                continue
            states = (following,) if following >= 0 else transitions.several(following)
            found.extend((number, index, after) for after in states)
        return found
