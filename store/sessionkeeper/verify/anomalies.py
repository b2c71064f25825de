"""Names what went wrong in a history that is not linearizable."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar, cast

import msgspec

from .checker.verdict import CheckResult, Counterexample, Verdict
from .history.operation import History, Operation, Outcome, Plain
from .models.model import Model

__all__ = ["Anomaly", "AnomalyKind", "anomalies"]

S = TypeVar("S", bound=Hashable)

_STATES_LOOKED_AT = 5_000


class AnomalyKind(StrEnum):
    """The names, as in the literature where it has one."""

    LOST_UPDATE = "lost update"
    """A write was based on what another one had replaced."""
    DIRTY_READ = "dirty read"
    """A read showed what was refused, not written yet, or never written."""
    TORN_BATCH = "torn batch"
    """Some of a batch was seen without the rest."""
    GAP = "gap"
    """A number was left out."""
    DUPLICATE = "duplicate"
    """A number was given twice, or one id created twice."""
    STALE_READ = "stale read"
    """A read showed what had been replaced before it was called."""
    RESURRECTION = "resurrection"
    """What had been deleted was there again."""
    CROSS_SESSION_REPLAY = "cross-session replay"
    """A frame of one session was read from another."""
    ORDER_INVERSION = "order inversion"
    """A number was given after a higher one had been."""
    UNEXPLAINED = "unexplained"
    """No order works, and none of the names fits."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What went wrong, in words, with the operations that show it."""

    kind: AnomalyKind
    text: str
    operations: tuple[Operation, ...]


def anomalies(
    result: CheckResult, model: Model[S], history: History | Sequence[Operation] = (), /
) -> tuple[Anomaly, ...]:
    """Return the anomalies that a check found: none unless its verdict is ILLEGAL.

    Those of the numbers are proofs. The name given to a counterexample is a judgement: it is taken
    from what the operation that could not come next would have needed. With the whole history,
    what was refused and shown all the same is recognised too.
    """
    if result.verdict is not Verdict.ILLEGAL:
        return ()
    named = [
        Anomaly(AnomalyKind(finding.kind), finding.text, finding.operations)
        for finding in result.findings
    ]
    example = result.counterexample
    if example is not None and not named:
        operations = history.operations if isinstance(history, History) else history
        named.append(_named(example, model, operations))
    return tuple(named)


def _named(example: Counterexample, model: Model[S], operations: Sequence[Operation]) -> Anomaly:
    blocked = example.blocked[0]
    states = list(_states(model, example.order))
    shown = _by_content(blocked.operation, example) or _by_states(
        model, states, blocked.operation, operations
    )
    return Anomaly(shown, blocked.why, example.shrunk)


def _states(model: Model[S], order: Sequence[Operation]) -> Iterator[frozenset[S]]:
    """The states along an order, the last ones at least."""
    now = frozenset({model.init()})
    yield now
    for operation in order:
        now = frozenset(after for state in now for after in model.step(state, operation))
        yield now


def _by_states(
    model: Model[S],
    states: Sequence[frozenset[S]],
    operation: Operation,
    operations: Sequence[Operation],
) -> AnomalyKind:
    earlier = [state for some in states[-_STATES_LOOKED_AT:-1] for state in some]
    if _fits(model, earlier, operation):
        if model.is_read(operation):
            return AnomalyKind.STALE_READ
        return AnomalyKind.LOST_UPDATE
    for other in operations:
        refused = other.outcome is Outcome.FAILED
        if refused or (operation.returned is not None and other.call > operation.returned):
            done = msgspec.structs.replace(other, outcome=Outcome.UNKNOWN, result=None)
            if model.is_read(done):
                continue
            after = [new for state in states[-1] for new in model.step(state, done)]
            if _fits(model, after, operation):
                return AnomalyKind.DIRTY_READ
    return AnomalyKind.UNEXPLAINED


def _fits(model: Model[S], states: Iterable[S], operation: Operation) -> bool:
    return any(True for state in states for _ in model.step(state, operation))


_OF_A_SESSION = frozenset({"get_session", "get_frames", "read_frames", "count_frames"})


def _by_content(  # noqa: PLR0911 - a table of cases
    operation: Operation, example: Counterexample
) -> AnomalyKind | None:
    """Look at what only the session store's operations can show."""
    name, result = operation.name, operation.result
    if operation.outcome is not Outcome.OK:
        return None
    if name in ("create_session", "get_or_create_session"):
        return AnomalyKind.DUPLICATE
    if name in ("add_frame", "add_frames"):
        return _of_numbers(operation, example)
    if name in _OF_A_SESSION and _is_gone(operation, example):
        return AnomalyKind.RESURRECTION
    if name in ("get_frames", "read_frames"):
        shown = cast("tuple[tuple[Plain, ...], ...]", result)
        frames = [
            cast("tuple[str, ...]", each[1] if name == "read_frames" else each) for each in shown
        ]
        argument = operation.argument
        session_id = argument if name == "get_frames" else cast("tuple[str]", argument)[0]
        if any(frame[0] != session_id for frame in frames):
            return AnomalyKind.CROSS_SESSION_REPLAY
        if frames and _is_inside_a_batch(frames[-1], example):
            return AnomalyKind.TORN_BATCH
    return None


def _of_numbers(operation: Operation, example: Counterexample) -> AnomalyKind | None:
    first = operation.result
    last = 0
    for other in example.order:
        if other.outcome is Outcome.OK and _session_of(other) == _session_of(operation):
            if other.name == "add_frame":
                last = max(last, cast("int", other.result))
            elif other.name == "add_frames":
                last = max(last, cast("tuple[int, int]", other.result)[1] - 1)
            elif other.name == "delete_session":
                last = 0
    number = cast("int", first[0] if isinstance(first, tuple) else first)
    if number == last + 1:
        return None
    return AnomalyKind.DUPLICATE if number <= last else AnomalyKind.GAP


def _is_gone(operation: Operation, example: Counterexample) -> bool:
    """Whether the session was deleted last, of all that the order does to its life."""
    gone = False
    for other in example.order:
        if other.outcome is Outcome.FAILED or _session_of(other) != _session_of(operation):
            continue
        if other.name == "delete_session":
            gone = True
        elif other.name in ("create_session", "get_or_create_session"):
            gone = False
    return gone


def _is_inside_a_batch(frame: Plain, example: Counterexample) -> bool:
    known = (*example.order, *(each.operation for each in example.blocked), *example.shrunk)
    for other in known:
        if other.name == "add_frames":
            frames = cast("tuple[str, tuple[Plain, ...]]", other.argument)[1]
            if frame in frames[:-1]:
                return True
    return False


def _session_of(operation: Operation) -> Plain:
    argument = operation.argument
    return argument[0] if isinstance(argument, tuple) and argument else argument
