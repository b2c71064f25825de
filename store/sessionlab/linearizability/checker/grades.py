"""Decides which weaker guarantees a history keeps if it is not linearizable.

Each guarantee is the same search with wider times, for each partition alone. Source of the names:
Terry and others, "Session guarantees for weakly consistent replicated data" (1994).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, TypeVar

import msgspec

from ..history.operation import History, Operation, Outcome
from ..models.model import Model
from ..time_limit import OutOfTime, TimeLimit
from .check import check
from .partition import evidence, partition
from .search import Search
from .transitions import TooManyStates
from .verdict import Verdict

__all__ = ["Grade", "Guarantee", "grade"]

S = TypeVar("S", bound=Hashable)

_SLICE = 2_000
_FIRST = -(1 << 61)
_LAST = 1 << 61


class Guarantee(StrEnum):
    """What clients can rely on. The first implies all others. None of the others implies another,
    because read your writes and monotonic reads require writes in real time."""

    LINEARIZABLE = "linearizable"
    """One order of all operations, in agreement with real time."""
    SEQUENTIAL = "sequential"
    """One order of a partition's operations that keeps the order of each client."""
    READ_YOUR_WRITES = "read your writes"
    """A read may be stale, but shows what its client wrote before; writes are linearizable."""
    MONOTONIC_READS = "monotonic reads"
    """A read may be stale, but no staler than the client's last; writes are linearizable."""
    MONOTONIC_WRITES = "monotonic writes"
    """One order of a partition's writes that keeps the order of each client."""


@dataclass(frozen=True, slots=True)
class Grade:
    """Each guarantee with OK (kept), ILLEGAL (broken) or UNKNOWN."""

    verdicts: Mapping[Guarantee, Verdict]

    @property
    def kept(self) -> tuple[Guarantee, ...]:
        """The guarantees that hold."""
        return tuple(each for each in Guarantee if self.verdicts[each] is Verdict.OK)


Question: TypeAlias = tuple[list[Operation], dict[int, int]]
"""Operations with wider times, and for an index the one that must come before it."""


def grade(
    history: History | Sequence[Operation], model: Model[S], /, *, timeout: float = 10.0
) -> Grade:
    """Decide which guarantees a history keeps, within `timeout` seconds in total.

    An operation of unknown outcome may have taken effect at any time after its call, or never.
    """
    if isinstance(history, History):
        model, history = model.for_header(history.header), history.operations
    operations = history
    limit = TimeLimit(timeout)
    try:
        open_parts = partition(evidence(limit.watch(operations), model), model)
    except OutOfTime:
        return Grade(dict.fromkeys(Guarantee, Verdict.UNKNOWN))
    verdicts: dict[Guarantee, Verdict] = {}
    for guarantee in Guarantee:
        answers = [_decide(model, part, guarantee, limit) for part in open_parts]
        verdicts[guarantee] = _combine(answers)
        if guarantee is Guarantee.LINEARIZABLE:
            if verdicts[guarantee] is Verdict.OK and len(open_parts) > 1:
                # Only the whole check covers the counter that partitions share.
                whole = check(operations, model, timeout=limit.left, explain_illegal=False)
                verdicts[guarantee] = whole.verdict
            # A linearizable partition keeps all other guarantees, too.
            pairs = zip(open_parts, answers, strict=True)
            open_parts = [part for part, answer in pairs if answer is not Verdict.OK]
    return Grade(verdicts)


def _combine(answers: Sequence[Verdict]) -> Verdict:
    for verdict in (Verdict.ILLEGAL, Verdict.UNKNOWN):
        if verdict in answers:
            return verdict
    return Verdict.OK


def _decide(
    model: Model[S], part: Sequence[Operation], guarantee: Guarantee, limit: TimeLimit
) -> Verdict:
    answers: list[Verdict] = []
    try:
        for operations, after in _questions(model, limit.watch(part), guarantee, limit):
            search = Search(model, operations, after=after, limit=limit)
            answers.append(_answer(search, limit))
            if answers[-1] is Verdict.ILLEGAL:
                break
    except OutOfTime:
        answers.append(Verdict.UNKNOWN)
    return _combine(answers)


def _answer(search: Search[S], limit: TimeLimit) -> Verdict:
    answer: Verdict | None = None
    try:
        while answer is None:
            limit.look()
            answer = search.run(_SLICE)
    except TooManyStates:
        return Verdict.UNKNOWN
    return answer


def _questions(
    model: Model[S], part: Iterable[Operation], guarantee: Guarantee, limit: TimeLimit
) -> Iterator[Question]:
    """Yield the searches that must all find an order for the guarantee to hold."""
    ordered = sorted(part, key=lambda operation: operation.call)
    if guarantee is Guarantee.LINEARIZABLE:
        yield ordered, {}
    elif guarantee is Guarantee.SEQUENTIAL:
        yield _in_order_of_clients(ordered)
    elif guarantee is Guarantee.MONOTONIC_WRITES:
        yield _in_order_of_clients([each for each in ordered if not model.is_read(each)])
    else:
        yield [each for each in ordered if not model.is_read(each)], {}
        for client in sorted({each.client for each in ordered if model.is_read(each)}):
            told = [
                each
                for each in limit.watch(ordered)
                if each.client == client or not model.is_read(each)
            ]
            yield _as_one_client_sees(model, limit.watch(told), client, guarantee)


def _in_order_of_clients(operations: Sequence[Operation]) -> Question:
    """Widen all times, so that only the order of each client remains."""
    widened: list[Operation] = []
    after: dict[int, int] = {}
    last: dict[int, int] = {}
    for index, operation in enumerate(operations):
        widened.append(_widen(operation, _FIRST, _LAST))
        if operation.outcome is not Outcome.UNKNOWN:
            if operation.client in last:
                after[index] = last[operation.client]
            last[operation.client] = index
    return widened, after


def _as_one_client_sees(
    model: Model[S], operations: Iterable[Operation], client: int, guarantee: Guarantee
) -> Question:
    """Let the client's reads be stale, as far as the guarantee allows."""
    widened: list[Operation] = []
    after: dict[int, int] = {}
    bound: int | None = None
    for index, operation in enumerate(operations):
        is_read = model.is_read(operation)
        if is_read:
            widened.append(_widen(operation, _FIRST, operation.returned))
            if bound is not None:
                after[index] = bound
        else:
            widened.append(operation)
        binds = is_read == (guarantee is Guarantee.MONOTONIC_READS)
        if operation.client == client and binds and operation.outcome is not Outcome.UNKNOWN:
            bound = index
    return widened, after


def _widen(operation: Operation, call: int, returned: int | None) -> Operation:
    if operation.outcome is Outcome.UNKNOWN:
        return msgspec.structs.replace(operation, call=call)
    return msgspec.structs.replace(operation, call=call, returned=returned)
