"""Pairs of operations whose numbers and times disagree."""

from __future__ import annotations

from collections.abc import Sequence

from ..history.operation import Operation

__all__ = ["inversions"]


def inversions(ordered: Sequence[Operation]) -> list[tuple[Operation, Operation]]:
    """Return pairs (one, other) where `one` comes first but was called after `other` returned.

    At most one pair for each `other`. O(n).
    """
    found: list[tuple[Operation, Operation]] = []
    latest: Operation | None = None
    for operation in ordered:
        returned = operation.returned
        if latest is not None and returned is not None and returned < latest.call:
            found.append((latest, operation))
        if latest is None or operation.call > latest.call:
            latest = operation
    return found
