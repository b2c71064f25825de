"""Makes an illegal history small without making it illegal for another reason.

An operation is left out only if the history stays illegal when that operation may take effect at
any time after its call, or never. (Without this rule, leaving out a write would make every read of
its value look wrong.) Source of the halving: Zeller and Hildebrandt, "Simplifying and isolating
failure-inducing input" (2002).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

import msgspec

from ..history.operation import Operation, Outcome
from ..models.model import Model
from ..time_limit import OutOfTime, TimeLimit
from .search import Search
from .transitions import TooManyStates
from .verdict import Verdict

__all__ = ["Shrinker"]

S = TypeVar("S", bound=Hashable)

_CHECKS = 400
_STEPS = 4_000
_FEW = 12
_MANY = 200


class Shrinker(Generic[S]):
    """Shrinks one partition, after a search that found no order; bounded in checks and in time."""

    def __init__(self, model: Model[S], failed: Search[S], limit: TimeLimit) -> None:
        self._model = model
        self._failed = failed
        self._starts = [model.init()]
        self._operations = list(failed.operations)
        self._checks = _CHECKS
        self._limit = limit

    def shrink(self) -> tuple[list[S], list[Operation]]:
        """Return the operations that are needed, and the states they may begin in."""
        with suppress(OutOfTime):
            self._cut_around()
            # Reads first: with fewer of them, the search is faster.
            self._halve([i for i, each in enumerate(self._operations) if self._model.is_read(each)])
            if len(self._operations) > _FEW:
                self._cut_before()
            self._halve(list(range(len(self._operations))))
        needed = [each for each in self._operations if each.outcome is not Outcome.UNKNOWN]
        return self._starts, sorted(needed, key=lambda operation: operation.call)

    def _cut_around(self) -> None:
        """Leave out what comes after the point where the search got stuck, and much before it."""
        operations = _until(self._failed.blocked(), self._operations)
        if len(operations) > _MANY:
            for back in (32, 128, 512, 2048):
                cut = max(0, self._failed.stuck_at - back)
                starts, later = later_part(self._failed, cut, self._limit)
                later = _until(self._failed.blocked(), later)
                if starts and self._is_illegal(later, starts):
                    self._starts, self._operations = starts, self._without_silent(later)
                    return
        if self._is_illegal(operations):
            self._operations = self._without_silent(operations)

    def _cut_before(self) -> None:
        """Leave out as much of the front as possible."""
        search = Search(self._model, self._operations, starts=self._starts, limit=self._limit)
        if search.run(_STEPS * 5) is not Verdict.ILLEGAL:
            return
        for keep in (2, 4, 8, 16, 32):
            starts, later = later_part(search, max(0, search.definite - keep), self._limit)
            if starts and self._is_illegal(later, starts):
                self._starts, self._operations = starts, self._without_silent(later)
                return

    def _halve(self, candidates: list[int]) -> None:
        """Weaken as many candidates as possible."""
        chunk = max(1, len(candidates) // 2)
        while candidates and self._may_go_on():
            needed: list[int] = []
            for start in range(0, len(candidates), chunk):
                some = candidates[start : start + chunk]
                weak = self._weaken(some)
                if self._may_go_on() and self._is_illegal(weak):
                    self._operations = weak
                else:
                    needed += some
            if chunk == 1 and len(needed) == len(candidates):
                break
            candidates = needed
            chunk = max(1, min(chunk, len(candidates)) // 2)
        self._operations = self._without_silent(self._operations)

    def _may_go_on(self) -> bool:
        self._limit.look()
        return self._checks > 0

    def _weaken(self, some: Sequence[int]) -> list[Operation]:
        chosen = set(some)
        return [
            _make_open_ended(operation) if index in chosen else operation
            for index, operation in enumerate(self._operations)
        ]

    def _without_silent(self, operations: Sequence[Operation]) -> list[Operation]:
        """Leave out reads of unknown outcome."""
        return [
            operation
            for operation in operations
            if operation.outcome is not Outcome.UNKNOWN or not self._model.is_read(operation)
        ]

    def _is_illegal(
        self, operations: Sequence[Operation], starts: Sequence[S] | None = None
    ) -> bool:
        self._checks -= 1
        checked = self._without_silent(operations)
        try:
            search = Search(self._model, checked, starts=starts or self._starts, limit=self._limit)
            return search.run(_STEPS) is Verdict.ILLEGAL
        except TooManyStates:
            return False


def later_part(search: Search[S], cut: int, limit: TimeLimit) -> tuple[list[S], list[Operation]]:
    """Return the operations from number `cut` on of a history that the search found illegal, and
    the states they may begin in: if they are illegal from all of these, so is the whole.

    In any order, take the moment before the first of them: every operation that returned before
    they were called is placed, and open ones may be. The search has visited the state of that
    moment.
    """
    operations = search.operations
    moment = operations[cut].call
    front = range(cut)
    ended = sum(1 << i for i in front if _has_ended(operations[i], moment - 1) and search.writes(i))
    starts = {
        state
        for first, mask, state in limit.watch(search.seen())
        if first + mask.bit_length() <= cut and not ended >> first & ~mask
    }
    open_then = [
        _make_open_ended(operations[i]) for i in front if not _has_ended(operations[i], moment - 1)
    ]
    return [search.state(each) for each in sorted(starts)], open_then + operations[cut:]


def _until(stuck: Sequence[Operation], operations: Sequence[Operation]) -> list[Operation]:
    """Return the history as it was when the first stuck operation returned."""
    ends = [each.returned for each in stuck if each.returned is not None]
    if not ends:
        return list(operations)
    end = min(ends)
    return [
        operation if _has_ended(operation, end) else _make_open_ended(operation)
        for operation in operations
        if operation.call <= end
    ]


def _has_ended(operation: Operation, end: int) -> bool:
    return operation.returned is not None and operation.returned <= end


def _make_open_ended(operation: Operation) -> Operation:
    if operation.outcome is Outcome.UNKNOWN:
        return operation
    return msgspec.structs.replace(operation, outcome=Outcome.UNKNOWN, returned=None, result=None)
