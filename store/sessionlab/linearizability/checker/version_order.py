"""Checks the order that numbers in the results suggest, step by step.

It proves OK and nothing else: that this order fails says nothing about others. O(n log n).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

from ..history.operation import Operation, Outcome
from ..models.model import Model, OrderKey
from ..time_limit import UNLIMITED, TimeLimit

__all__ = ["check_version_order"]

S = TypeVar("S", bound=Hashable)


def check_version_order(
    model: Model[S],
    operations: Sequence[Operation],
    order: list[tuple[Operation, S]] | None = None,
    *,
    limit: TimeLimit = UNLIMITED,
) -> bool:
    """Whether the suggested order agrees with real time and with the model.

    What has an unknown outcome is taken not to have happened. The order is appended to `order`,
    each operation with the state after it. Raises `OutOfTime`.
    """
    suggest, unknown = model.order, Outcome.UNKNOWN
    keyed: list[tuple[OrderKey, int, int]] = []
    for index, operation in enumerate(limit.watch(operations)):
        if operation.outcome is unknown:
            continue
        key = suggest(operation)
        if key is None:
            return False
        keyed.append((key, operation.call, index))
    keyed.sort()
    latest_call = -1
    step, state = model.step, model.init()
    for _, call, index in limit.watch(keyed):
        operation = operations[index]
        returned = operation.returned
        if returned is not None and returned < latest_call:
            return False
        if call > latest_call:  # noqa: PLR1730 - `max` costs a call in a loop of millions
            latest_call = call
        for following in step(state, operation):
            state = following
            break
        else:
            return False
        if order is not None:
            order.append((operation, state))
    return True
