"""A checker that is too simple to be wrong: it tries every order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from sessionlab import Operation, Outcome

__all__ = ["Spec", "brute_force"]

Spec: TypeAlias = Callable[[Any, Operation], Iterator[Any]]
"""Yields the states that an operation may lead to from a state."""


def brute_force(spec: Spec, operations: Sequence[Operation]) -> bool:
    """Return whether an order of the operations agrees with real time and with `spec`."""
    checked = [
        each
        for each in operations
        if each.outcome is not Outcome.FAILED or each.name in ("cas", "update_session")
    ]

    def must_come_first(one: Operation, other: Operation) -> bool:
        ended = one.outcome is not Outcome.UNKNOWN and one.returned is not None
        return ended and one.returned < other.call  # type: ignore[operator]  # not None here

    def can_order(left: frozenset[int], state: Any) -> bool:
        if all(checked[i].outcome is Outcome.UNKNOWN for i in left):
            return True
        return any(
            can_order(left - {i}, after)
            for i in left
            if not any(must_come_first(checked[j], checked[i]) for j in left if j != i)
            for after in spec(state, checked[i])
        )

    return can_order(frozenset(range(len(checked))), None)
