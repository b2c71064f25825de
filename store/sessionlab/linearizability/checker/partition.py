"""Which operations must be ordered together: connected components of the keys they touch.

Source: Herlihy and Wing, "Linearizability" (1990), locality; Horn and Kroening, "Faster
linearizability checking via P-compositionality" (2015).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TypeVar

from ..history.exact import coarse
from ..history.operation import Operation, Outcome
from ..models.model import Model

__all__ = ["evidence", "partition"]

S = TypeVar("S", bound=Hashable)


def evidence(operations: Iterable[Operation], model: Model[S]) -> list[Operation]:
    """Leave out refusals that the model does not check, and reads without an answer."""
    unknown, is_read, is_evidence = Outcome.UNKNOWN, model.is_read, model.is_evidence
    return [
        operation
        for operation in operations
        if is_evidence(operation) and not (operation.outcome is unknown and is_read(operation))
    ]


def partition(operations: Iterable[Operation], model: Model[S]) -> list[list[Operation]]:
    """Return the operations of each connected component. O(operations)."""
    groups: dict[Hashable, list[Operation]] = {}
    joined: dict[Hashable, Hashable] = {}
    everything = False
    for operation in operations:
        keys = model.key(operation)
        if keys is None:
            everything = True
            keys = ()
        key = keys[0] if keys else None
        if type(key) is not str:
            key = coarse(key)
        for other in keys[1:]:
            _join(joined, key, coarse(other))
        group = groups.get(key)
        if group is None:
            groups[key] = [operation]
        else:
            group.append(operation)
    if everything:
        return [[operation for group in groups.values() for operation in group]]
    if not joined:
        return list(groups.values())
    together: dict[Hashable, list[Operation]] = {}
    for key, group in groups.items():
        together.setdefault(_root(joined, key), []).extend(group)
    return list(together.values())


def _root(joined: dict[Hashable, Hashable], key: Hashable) -> Hashable:
    while (above := joined.get(key, key)) != key:
        joined[key] = joined.get(above, above)  # path halving: later lookups are shorter
        key = above
    return key


def _join(joined: dict[Hashable, Hashable], one: Hashable, other: Hashable) -> None:
    one, other = _root(joined, one), _root(joined, other)
    if one != other:
        joined[other] = one
