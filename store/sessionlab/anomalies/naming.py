"""Names what went wrong in a history that is not linearizable."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from ..linearizability.checker.verdict import CheckResult, Contradiction, Counterexample, Verdict
from ..linearizability.history.exact import exact
from ..linearizability.history.operation import History, Operation, Outcome
from ..linearizability.models.model import Model
from .kinds import Anomaly, AnomalyKind
from .sessions import (
    find_skipped,
    name_by_content,
    partial_effects,
    read_by_change,
    rename_contradiction,
    single_reads,
)

__all__ = ["Anomaly", "AnomalyKind", "find_anomalies"]

S = TypeVar("S", bound=Hashable)

_STATES_LOOKED_AT = 5_000
_REFUSED_LOOKED_AT = 8


def find_anomalies(
    result: CheckResult, model: Model[S], history: History | Sequence[Operation] = (), /
) -> tuple[Anomaly, ...]:
    """Return the anomalies that a check found: none unless its verdict is ILLEGAL.

    Those of the numbers are proofs. The name given to a counterexample is a judgement: it is taken
    from what the operation that could not come next would have needed. With the whole history,
    what was refused and shown all the same is recognised too.
    """
    if result.verdict is not Verdict.ILLEGAL:
        return ()
    if isinstance(history, History):
        model, history = model.for_header(history.header), history.operations
    operations = history
    named = [_of_numbers(contradiction, operations) for contradiction in result.contradictions]
    example = result.counterexample
    if example is not None and not named:
        named.append(_named(example, model, operations))
    return tuple(named)


def _of_numbers(contradiction: Contradiction, operations: Sequence[Operation]) -> Anomaly:
    kind = rename_contradiction(contradiction, operations)
    prefix = "" if kind == contradiction.kind else _PREFIXES.get(kind, "")
    return Anomaly(kind, f"{prefix}{contradiction.text}", contradiction.operations)


_PREFIXES = {
    AnomalyKind.DUPLICATE: "a frame is stored more often than it was appended: ",
    AnomalyKind.DRIFT: "a count does not match the log: ",
    AnomalyKind.HALF_AN_OPERATION: "frames are stored without the change of the same call: ",
    AnomalyKind.PHANTOM: "a refused frame is stored: ",
    AnomalyKind.STALE_WRITE: "a snapshot of a deleted session was written: ",
    AnomalyKind.TORN_BATCH: "a batch is not complete and in sequence: ",
}


def _named(example: Counterexample, model: Model[S], operations: Sequence[Operation]) -> Anomaly:
    blocked = example.blocked[0]
    states = list(_states(model, example.order))
    if _is_halved(model, states[-1], example, operations):
        return Anomaly(AnomalyKind.HALF_AN_OPERATION, blocked.why, example.shrunk)
    seen = [state for some in states[-_STATES_LOOKED_AT:] for state in some]
    earlier = seen[: len(seen) - len(states[-1])]
    refused = _with_refused(model, states[-1], blocked.operation, operations)
    if _fits(model, refused, blocked.operation) and not _fits(model, earlier, blocked.operation):
        return Anomaly(AnomalyKind.PHANTOM, blocked.why, example.shrunk)
    shown = name_by_content(blocked.operation, example, operations) or _by_states(
        model, earlier, states[-1], blocked.operation, operations
    )
    why = blocked.why
    if shown is AnomalyKind.SKIPPED_FRAME:
        skipped = find_skipped(blocked.operation, operations or example.order)
        if skipped is not None:
            number, highest = skipped
            why = f"a reader was shown {highest} before {number} was there: who goes on after"
            why = f"{why} {highest} never sees {number}"
    return Anomaly(shown, why, example.shrunk)


def _is_halved(
    model: Model[S],
    states: Iterable[S],
    example: Counterexample,
    operations: Sequence[Operation],
) -> bool:
    """Whether what could not come next is possible after some of another call that is open."""
    states, placed = list(states), {exact(operation) for operation in example.order}
    return any(
        _fits(model, _after(model, states, half), blocked.operation)
        for other in operations
        for half in partial_effects(other)
        if exact(other) not in placed
        for blocked in example.blocked
        if exact(blocked.operation) != exact(other)
    )


def _states(model: Model[S], order: Sequence[Operation]) -> Iterator[list[S]]:
    """The states along an order, the last ones at least."""
    now = [model.init()]
    yield now
    for operation in order:
        now = _distinct(model, (after for state in now for after in model.step(state, operation)))
        yield now


def _distinct(model: Model[S], states: Iterable[S]) -> list[S]:
    """Return each state once."""
    return list({model.state_key(state): state for state in states}.values())


def _by_states(
    model: Model[S],
    earlier: Sequence[S],
    now: Sequence[S],
    operation: Operation,
    operations: Sequence[Operation],
) -> AnomalyKind:
    if _fits(model, earlier, operation):
        return AnomalyKind.STALE_READ if model.is_read(operation) else AnomalyKind.LOST_UPDATE
    for other in operations:
        later = operation.returned is not None and other.call > operation.returned
        unsaid = other.outcome is Outcome.FAILED or later
        if unsaid and _fits(model, _after(model, now, _done(other)), operation):
            return AnomalyKind.DIRTY_READ
    basis = read_by_change(operation)
    if basis is not None and _fits(model, earlier, basis) and not _fits(model, now, basis):
        return AnomalyKind.LOST_UPDATE
    parts = single_reads(operation)
    if parts and all(_fits(model, (*earlier, *now), part) for part in parts):
        return AnomalyKind.TORN_READ
    return AnomalyKind.UNEXPLAINED


def _with_refused(
    model: Model[S],
    states: Iterable[S],
    operation: Operation,
    operations: Sequence[Operation],
) -> list[S]:
    """The states that what was refused before an operation would lead to, if it were done."""
    reached: list[S] = []
    following = _distinct(model, states)
    refused = [
        _done(other)
        for other in operations
        if other.outcome is Outcome.FAILED
        and other.returned is not None
        and other.returned < operation.call
    ][-_REFUSED_LOOKED_AT:]
    for other in refused:
        new = _after(model, following, other)
        reached = _distinct(model, (*reached, *new))
        following = _distinct(model, (*following, *new))
    return reached


def _done(operation: Operation) -> Operation:
    """What an operation would be if it might have taken effect."""
    return msgspec.structs.replace(operation, outcome=Outcome.UNKNOWN, result=None)


def _after(model: Model[S], states: Iterable[S], operation: Operation) -> list[S]:
    """The states after a write that may have been done; none after anything else."""
    if model.is_read(operation) or not model.is_evidence(operation):
        return []
    return [new for state in states for new in model.step(state, operation)]


def _fits(model: Model[S], states: Iterable[S], operation: Operation) -> bool:
    return any(True for state in states for _ in model.step(state, operation))
