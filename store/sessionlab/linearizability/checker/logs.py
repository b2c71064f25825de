"""Numbered logs: no gap, no number twice, batches whole, every read a piece of the one log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from ..history.exact import exact
from ..history.operation import Operation, Plain
from ..models.facts import (
    AppendFact,
    AttemptFact,
    CountFact,
    Fact,
    LastNumberFact,
    ReadFact,
    RemovalFact,
    TrimFact,
)
from ..time_limit import UNLIMITED, TimeLimit
from .order_in_time import inversions
from .verdict import Contradiction

__all__ = ["Logs"]


_Append: TypeAlias = tuple[int, tuple["Plain", ...], Operation]
_Moment: TypeAlias = tuple[int, Operation]


class _Look(NamedTuple):
    first: int
    items: tuple[Plain, ...]
    end: int | None
    at_once: bool
    operation: Operation


@dataclass
class _Log:
    appended: list[_Append] = field(default_factory=list[_Append])
    offered: list[Plain] = field(default_factory=list["Plain"])
    looks: list[ReadFact] = field(default_factory=list[ReadFact])
    lookers: list[Operation] = field(default_factory=list[Operation])
    ends: list[_Moment] = field(default_factory=list[_Moment])
    counts: list[_Moment] = field(default_factory=list[_Moment])
    shortened: bool = False


class Logs:
    """What the operations of a partition say of its logs."""

    def __init__(self, limit: TimeLimit = UNLIMITED) -> None:
        self._limit = limit
        self._logs: dict[str, _Log] = {}
        self._removed: set[str | None] = set()

    def note(self, fact: Fact, operation: Operation) -> None:
        """Take in one fact. What is given as a number and is none, the model refuses."""
        if isinstance(fact, RemovalFact):
            self._removed.add(fact.log)
            return
        if not _is_sound(fact):
            return
        log = self._logs.get(fact.log)
        if log is None:
            log = self._logs[fact.log] = _Log()
        if isinstance(fact, AppendFact):
            log.appended.append((fact.first, exact(fact.items), operation))
        elif isinstance(fact, AttemptFact):
            log.offered.extend(exact(fact.items))
        elif isinstance(fact, ReadFact):
            self._limit.spend(len(fact.items))
            log.looks.append(fact._replace(items=exact(fact.items)))
            log.lookers.append(operation)
        elif isinstance(fact, CountFact):
            log.counts.append((fact.items, operation))
        elif isinstance(fact, LastNumberFact):
            log.ends.append((fact.last, operation))
        else:
            log.shortened = True

    def find_contradictions(self) -> list[Contradiction]:
        """Return what cannot be. A log that may have had a namesake is passed over."""
        found: list[Contradiction] = []
        for name, log in self._limit.watch(self._logs.items()):
            if None in self._removed or name in self._removed:
                continue
            log.appended.sort(key=lambda entry: (entry[0], len(entry[1])))
            looks = list(_resolve(log))
            found.extend(_numbers(log))
            found.extend(self._contents(name, log, looks))
            found.extend(_torn(log, looks))
            found.extend(_times(log, looks))
        return found

    def _contents(self, name: str, log: _Log, looks: list[_Look]) -> Iterator[Contradiction]:
        written: dict[int, tuple[Plain, Operation]] = {}
        for first, items, operation in log.appended:
            self._limit.spend(len(items))
            for number, item in enumerate(items, first):
                written[number] = (item, operation)
        offered = set(log.offered)
        for look in looks:
            self._limit.spend(len(look.items))
            for number, item in enumerate(look.items, look.first):
                known = written.get(number)
                if known is None:
                    if item not in offered:
                        yield self._stranger(name, item, number, (look.operation,))
                        break
                elif known[0] != item:
                    yield self._stranger(name, item, number, (known[1], look.operation))
                    break

    def _stranger(
        self, name: str, item: Plain, number: int, operations: tuple[Operation, ...]
    ) -> Contradiction:
        for other, log in self._logs.items():
            for _, items, operation in log.appended:
                self._limit.spend(len(items))
                if item in items:
                    if other != name:
                        text = f"number {number} is an item of another log"
                        return Contradiction("cross-session replay", text, (operation, *operations))
                    text = f"number {number} is an item that was given another number"
                    return Contradiction("order inversion", text, (operation, *operations))
        text = f"number {number} is an item that was never appended"
        return Contradiction("dirty read", text, operations)


def _is_sound(
    fact: AppendFact | AttemptFact | ReadFact | CountFact | LastNumberFact | TrimFact,
) -> bool:
    """Whether it is a fact whose number is one."""
    if isinstance(fact, AppendFact | ReadFact):
        return type(fact.first) is int or (fact.first is None and isinstance(fact, ReadFact))
    if isinstance(fact, CountFact | LastNumberFact):
        return type(fact[1]) is int
    return isinstance(fact, AttemptFact | TrimFact)


def _resolve(log: _Log) -> Iterator[_Look]:
    """The looks whose numbers are known: replies without numbers count from 1, or not at all."""
    for look, operation in zip(log.looks, log.lookers, strict=True):
        first = look.first
        if first is None:
            if log.shortened:
                continue
            first = 1
        # An empty reply tells where the log ends only if nothing was ever taken away.
        ends = look.to_the_end and (bool(look.items) or not log.shortened)
        end = first + len(look.items) - 1 if ends and (look.items or look.first is None) else None
        yield _Look(first, look.items, end, look.at_once, operation)


def _numbers(log: _Log) -> Iterator[Contradiction]:
    following, before = 1, None
    missing = 0
    for first, items, operation in log.appended:
        if not items:
            continue
        if first < following and before is not None:
            yield Contradiction("duplicate", f"number {first} was given twice", (before, operation))
        elif first > following:
            missing += first - following
            if missing > len(log.offered):
                pair = (operation,) if before is None else (before, operation)
                yield Contradiction("gap", f"number {first} came after {following - 1}", pair)
                missing = 0
        if first + len(items) > following:
            following, before = first + len(items), operation
    # An append of nothing gets no number.
    given = [operation for _, items, operation in log.appended if items]
    for one, other in inversions(given):
        text = "a number was given after a higher one had been"
        yield Contradiction("order inversion", text, (other, one))


def _torn(log: _Log, looks: list[_Look]) -> Iterator[Contradiction]:
    inside = {
        number: operation
        for first, items, operation in log.appended
        for number in range(first, first + len(items) - 1)
    }
    if not inside:
        return
    for end, operation in _moments(log, looks):
        batch = inside.get(end)
        if batch is not None:
            yield Contradiction(
                "torn batch", f"the log ended at {end}, in a batch", (batch, operation)
            )


def _moments(log: _Log, looks: list[_Look]) -> Iterator[tuple[int, Operation]]:
    """Where the log ended at some moment of an operation."""
    yield from log.ends
    if not log.shortened:
        yield from log.counts
    for look in looks:
        if look.end is not None and look.at_once:
            yield look.end, look.operation


def _times(log: _Log, looks: list[_Look]) -> Iterator[Contradiction]:
    """Reads of the end, among the appends, in the order of numbers."""
    appends = {id(operation) for _, _, operation in log.appended}
    placed = [
        (first + len(items) - 1, 0, operation.call, index)
        for index, (first, items, operation) in enumerate(log.appended)
        if items
    ]
    moments = list(_moments(log, looks))
    placed += [(end, 1, operation.call, i) for i, (end, operation) in enumerate(moments)]
    placed.sort()
    ordered = [
        moments[index][1] if is_look else log.appended[index][2] for _, is_look, _, index in placed
    ]
    for one, other in inversions(ordered):
        if id(one) not in appends:
            text = "an older end of the log was seen after a newer one had been"
            yield Contradiction("stale read", text, (other, one))
        elif id(other) not in appends:
            text = "it was seen before it was appended"
            yield Contradiction("dirty read", text, (other, one))
