"""Turns counterexamples into pictures: one bar per call, and the point where it takes effect.

Works for any model. Labels are cut short; positions are the times of the history.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

from .. import (
    CheckResult,
    Counterexample,
    History,
    Model,
    Operation,
    Outcome,
    find_anomalies,
    find_model,
)
from ..linearizability.checker.partition import evidence, partition
from .call_text import describe_argument, describe_result
from .results import Bar, Picture

__all__ = ["picture_of_counterexample", "picture_of_error", "picture_of_component"]

S = TypeVar("S", bound=Hashable)


def picture_of_counterexample(
    history: History,
    result: CheckResult,
    model: Model[S],
    /,
    *,
    expected: str = "",
    token: str | None = None,
    deviations: int | None = None,
    interleaving: str = "",
) -> Picture:
    """Draw the smallest counterexample of an illegal history.

    `expected` is the promise that is broken. Raises `ValueError` when nothing is illegal.
    """
    found = find_anomalies(result, model, history)
    if not found:
        raise ValueError("the history is not illegal: there is no counterexample")
    example = result.counterexample
    shown = list(found[0].operations) if example is None else list(example.shrunk)
    if example is not None and result.contradictions:
        shown += [each for each in found[0].operations if each not in shown]
    if example is not None:
        shown += [each.operation for each in example.blocked if each.operation not in shown]
    return Picture(
        anomaly=found[0].kind.value,
        why=found[0].text,
        expected=expected or "an order in which each call sees the effects of the calls before it",
        state="" if example is None else example.state,
        bars=_bars(shown, example),
        token=token,
        deviations=deviations,
        interleaving=interleaving,
        operations=len(history.operations),
    )


def picture_of_component(
    history: History, result: CheckResult, model: Model[S] | None = None, /
) -> Picture:
    """Draw all calls of the component whose call could not be placed.

    `model` is needed if it is not the one that the history names. Raises `ValueError` when
    nothing is illegal.
    """
    if model is None:
        return picture_of_component(history, result, find_model(history.header.model))
    small = picture_of_counterexample(history, result, model)
    example = result.counterexample
    if example is None:
        touched = {
            each
            for anomaly in find_anomalies(result, model, history)
            for each in anomaly.operations
        }
    else:
        touched = {each.operation for each in example.blocked}
    parts = partition(evidence(history.operations, model), model)
    whole = [each for part in parts if not touched.isdisjoint(part) for each in part]
    return Picture(
        anomaly=small.anomaly,
        why=small.why,
        expected=small.expected,
        state=small.state,
        bars=_bars(whole or list(touched), example),
        token=None,
        deviations=None,
        interleaving="",
        operations=len(history.operations),
    )


def picture_of_error(
    history: History,
    *,
    anomaly: str,
    why: str,
    expected: str,
    token: str | None = None,
    deviations: int | None = None,
    interleaving: str = "",
) -> Picture:
    """Draw a run that ended in a hang or an error instead of a complete history."""
    operations = history.operations
    last = max((each.call for each in operations), default=0)

    def waited(operation: Operation) -> bool:
        # A call that still waited was cancelled at the end of the run, after every other call.
        returned = operation.returned
        return operation.outcome is Outcome.UNKNOWN and (returned is None or returned > last)

    return Picture(
        anomaly=anomaly,
        why=why,
        expected=expected,
        state="",
        bars=tuple(_bar(each, None, blocked=waited(each)) for each in operations),
        token=token,
        deviations=deviations,
        interleaving=interleaving,
        operations=len(operations),
    )


def _bars(operations: Iterable[Operation], example: Counterexample | None) -> tuple[Bar, ...]:
    points = {} if example is None else _points(example.order)
    stuck = {each.operation for each in (() if example is None else example.blocked)}
    ordered = sorted(operations, key=lambda operation: operation.call)
    return tuple(_bar(each, points.get(each), blocked=each in stuck) for each in ordered)


def _points(order: Sequence[Operation]) -> dict[Operation, float]:
    """Return the moment at which each operation takes effect, between its call and its return.

    The order agrees with real time, so such moments exist: not before the latest call so far, and
    spread over the time up to the next number.
    """
    same: list[list[Operation]] = []
    moments: list[int] = []
    for operation in order:
        if not moments or operation.call > moments[-1]:
            moments.append(operation.call)
            same.append([])
        same[-1].append(operation)
    return {
        operation: moment + number / (len(together) + 1)
        for moment, together in zip(moments, same, strict=True)
        for number, operation in enumerate(together, 1)
    }


def _bar(operation: Operation, point: float | None, *, blocked: bool) -> Bar:
    ended = operation.outcome is not Outcome.UNKNOWN
    return Bar(
        client=operation.client,
        name=operation.name,
        argument=describe_argument(operation),
        result=describe_result(operation),
        call=operation.call,
        returned=operation.returned if ended else None,
        outcome=operation.outcome.value,
        point=point,
        blocked=blocked,
    )
