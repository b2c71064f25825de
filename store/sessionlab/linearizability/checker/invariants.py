"""Checks what must hold for numbers and logs in every history.

Each contradiction proves that no order works. To find none proves nothing. O(n log n).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from itertools import pairwise
from typing import TypeVar

from ..history.operation import Operation
from ..models.model import Model
from ..time_limit import UNLIMITED, TimeLimit
from .logs import Logs
from .order_in_time import inversions
from .verdict import Contradiction

__all__ = ["find_contradictions", "find_stamp_contradictions"]

S = TypeVar("S", bound=Hashable)


def find_contradictions(
    model: Model[S], operations: Iterable[Operation], limit: TimeLimit = UNLIMITED
) -> list[Contradiction]:
    """Return what contradicts itself in the logs that these operations touch.

    Raises `OutOfTime`.
    """
    logs = Logs(limit)
    for operation in limit.watch(operations):
        for fact in model.facts(operation):
            logs.note(fact, operation)
    return logs.find_contradictions()


def find_stamp_contradictions(
    model: Model[S], operations: Iterable[Operation]
) -> list[Contradiction]:
    """Return numbers of the store's counter that were given twice, or not in order."""
    stamps: list[tuple[int, int, Operation]] = []
    read_stamps = model.stamps
    for operation in operations:
        for number in read_stamps(operation):
            stamps.append((number, len(stamps), operation))
    stamps.sort()
    found = [
        Contradiction("duplicate", f"number {number} was given twice", (one, other))
        for (number, _, one), (again, _, other) in pairwise(stamps)
        if number == again
    ]
    for later, earlier in inversions([operation for _, _, operation in stamps]):
        text = "a number was given after a higher one"
        found.append(Contradiction("order inversion", text, (earlier, later)))
    return found
