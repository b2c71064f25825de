"""Decides whether an order of the operations agrees with real time and with the model.

There are three layers, cheapest first; `Layer` says what each proves. No layer knows what is
stored.
"""

from __future__ import annotations

import gc
from collections.abc import Generator, Hashable, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TypeVar

from ..history.operation import History, Operation
from ..models.model import Model
from ..time_limit import UNLIMITED, OutOfTime, TimeLimit
from .counter import CounterStep, stuck_partitions
from .invariants import find_contradictions, find_stamp_contradictions
from .partition import evidence, partition
from .search import Search, find_end
from .shrink import Shrinker
from .transitions import TooManyStates
from .validation import check_model
from .verdict import Blocked, CheckResult, Contradiction, Counterexample, Layer, Verdict
from .version_order import check_version_order

__all__ = ["check", "explain"]

S = TypeVar("S", bound=Hashable)

_FIRST_SLICE = 2_000
_LARGEST_SLICE = 100_000
_SECONDS_TO_EXPLAIN = 3.0
_MAX_CONTRADICTIONS = 100
_BLOCKED = 8


def check(
    history: History | Sequence[Operation],
    model: Model[S],
    /,
    *,
    timeout: float | None = None,
    max_configurations: int = 4_000_000,
    explain_illegal: bool = True,
) -> CheckResult:
    """Decide whether a history is linearizable with respect to a model.

    The verdict is UNKNOWN after `timeout` seconds, when `max_configurations` are in memory, or when
    one operation has too many possible results; treat it as a failure in CI. With
    `explain_illegal`, an illegal history is shrunk afterwards; this takes a few seconds at most,
    and no longer than is left of `timeout`.

    Raises `TypeError` when your model returns a state that is not hashable, `ValueError` when it
    changes a state.
    """
    if isinstance(history, History):
        model, history = model.for_header(history.header), history.operations
    with _without_collector():
        return _check(history, model, timeout, max_configurations, explain_illegal)


@contextmanager
def _without_collector() -> Generator[None]:
    """Stop the garbage collector: it would walk millions of tuples, none of them in a cycle."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _check(
    operations: Sequence[Operation],
    model: Model[S],
    timeout: float | None,
    max_configurations: int,
    explain_illegal: bool,
) -> CheckResult:
    limit = TimeLimit(timeout)
    try:
        return _check_within(operations, model, limit, max_configurations, explain_illegal)
    except OutOfTime:
        reason = "time limit"
        return CheckResult(Verdict.UNKNOWN, Layer.SEARCH, len(operations), 0, reason=reason)


def _check_within(
    operations: Sequence[Operation],
    model: Model[S],
    limit: TimeLimit,
    max_configurations: int,
    explain_illegal: bool,
) -> CheckResult:
    check_model(model, operations, limit)
    relevant = evidence(limit.watch(operations), model)
    parts = partition(limit.watch(relevant), model)
    stamps = find_stamp_contradictions(model, limit.watch(relevant))

    def result(verdict: Verdict, layer: Layer, **more: object) -> CheckResult:
        return CheckResult(verdict, layer, len(operations), len(parts), **more)  # type: ignore[arg-type]  # fields of it

    undecided = [
        part for part in limit.watch(parts) if not check_version_order(model, part, limit=limit)
    ]
    # Operations that need no place in an order may still contradict each other in numbers.
    silent = len(relevant) < len(operations)
    contradictions = stamps + (
        find_contradictions(model, operations, limit) if undecided or silent else []
    )
    if contradictions:
        example = None
        if explain_illegal:
            example = _search_counterexample(model, undecided, contradictions, limit)
        cause = tuple(contradictions[:_MAX_CONTRADICTIONS])
        return result(
            Verdict.ILLEGAL, Layer.INVARIANTS, contradictions=cause, counterexample=example
        )
    searches = [Search(model, part, limit=limit) for part in undecided]
    verdict, failed, reason = _decide(searches, limit, max_configurations)
    if verdict is Verdict.OK:
        # Each has an order, but their shared counter may show that they have none together.
        verdict, failed, reason = _decide_together(
            model, parts, searches, limit, max_configurations
        )
        if verdict is Verdict.OK and not undecided:
            return result(Verdict.OK, Layer.VERSION_ORDER)
    if failed is not None and explain_illegal:
        return result(verdict, Layer.SEARCH, counterexample=explain(model, failed, limit))
    return result(verdict, Layer.SEARCH, reason=reason)


def _decide(
    searches: Sequence[Search[S]], limit: TimeLimit, maximum: int
) -> tuple[Verdict, Search[S] | None, str | None]:
    """Search all partitions in turn, in growing slices: the first illegal one wins.

    Without turns, a hard partition would delay the verdict of an obviously illegal one.
    """
    reason = None
    steps = _FIRST_SLICE
    going = list(searches)
    while going:
        still: list[Search[S]] = []
        for search in going:
            try:
                limit.look()
                verdict = search.run(steps)
            except OutOfTime:
                return Verdict.UNKNOWN, None, "time limit"
            except TooManyStates:
                reason = "an operation with too many possible results"
                continue
            if verdict is Verdict.ILLEGAL:
                return verdict, search, None
            if verdict is None:
                still.append(search)
        if sum(search.configurations for search in still) > maximum:
            return Verdict.UNKNOWN, None, "memory limit"
        going = still
        steps = min(_LARGEST_SLICE, steps * 4)
    return (Verdict.OK if reason is None else Verdict.UNKNOWN), None, reason


def _decide_together(
    model: Model[S],
    parts: Sequence[list[Operation]],
    searches: Sequence[Search[S]],
    limit: TimeLimit,
    maximum: int,
) -> tuple[Verdict, Search[S] | None, str | None]:
    """Decide whether partitions that each have an order have one together, because they share the
    counter that gives their numbers.
    """
    if len(parts) < 2 or not _has_counter(model):
        return Verdict.OK, None, None
    searched = {id(search.part): search for search in searches}
    counting: list[list[Operation]] = []
    orders: list[list[CounterStep]] = []
    for part in limit.watch(parts):
        search = searched.get(id(part))
        order: list[tuple[Operation, S]] = []
        if search is not None:
            order = search.order()
        else:
            check_version_order(model, part, order, limit=limit)
        uses = model.counter_uses(order)
        if any(use != (None, None) for use in uses):
            counting.append(part)
            orders.append(
                [
                    CounterStep(operation.call, find_end(operation), *use)
                    for (operation, _), use in zip(order, uses, strict=True)
                ]
            )
    stuck = stuck_partitions(orders, limit)
    if not stuck:
        return Verdict.OK, None, None
    # Search the stuck ones first: that is faster, and may show that there is no order.
    verdict: tuple[Verdict, Search[S] | None, str | None] = (Verdict.OK, None, None)
    for some in [sorted(stuck), range(len(counting))]:
        chosen = [each for i in some for each in counting[i]]
        together = _in_order_of_numbers(model, chosen, limit)
        verdict = _decide([together], limit, maximum)
        if verdict[0] is not Verdict.OK or len(some) == len(counting):
            break
    return verdict


def _has_counter(model: Model[S]) -> bool:
    kind: type[object] = type(model)
    return any(
        getattr(kind, name) is not getattr(Model, name) for name in ("stamps", "counter_uses")
    )


def _in_order_of_numbers(
    model: Model[S], operations: list[Operation], limit: TimeLimit
) -> Search[S]:
    """Make the search of operations with numbers from one counter, in the order of numbers."""
    stamps = ((model.stamps(operation), index) for index, operation in enumerate(operations))
    numbered = sorted((min(each), index) for each, index in stamps if each)
    after = {index: before for (_, before), (_, index) in pairwise(numbered)}
    return Search(model, operations, after=after, limit=limit)


def explain(model: Model[S], failed: Search[S], /, limit: TimeLimit = UNLIMITED) -> Counterexample:
    """Explain why no order works, after a search that found none. Takes a few seconds at most."""
    stuck = failed.blocked()
    starts, shrunk = Shrinker(model, failed, limit.within(_SECONDS_TO_EXPLAIN)).shrink()
    state = failed.state()
    return Counterexample(
        order=tuple(operation for operation, _ in failed.order()),
        state=model.describe(state),
        blocked=tuple(Blocked(each, model.explain(state, each)) for each in stuck[:_BLOCKED]),
        starts=tuple(model.describe(each) for each in starts[:_BLOCKED]),
        shrunk=tuple(shrunk),
    )


def _search_counterexample(
    model: Model[S],
    parts: Sequence[list[Operation]],
    contradictions: Sequence[Contradiction],
    limit: TimeLimit,
) -> Counterexample | None:
    """Search briefly for a counterexample in the partitions of the contradictions."""
    touched = {
        id(operation) for contradiction in contradictions for operation in contradiction.operations
    }
    brief = limit.within(_SECONDS_TO_EXPLAIN)
    try:
        searches = [
            Search(model, part, limit=brief)
            for part in brief.watch(parts)
            if any(id(operation) in touched for operation in part)
        ]
        _, failed, _ = _decide(searches, brief, 1_000_000)
    except OutOfTime:
        return None  # what was found is proof enough
    return None if failed is None else explain(model, failed, limit)
