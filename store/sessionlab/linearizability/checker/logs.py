"""Checks numbered logs: no gap, no duplicate number, no torn batch, no read of another log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from ..history.exact import exact
from ..history.operation import Operation, Plain
from ..models.facts import (
    AppendFact,
    AttemptFact,
    ChangeFact,
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
_End: TypeAlias = tuple[int, Operation]


class _Read(NamedTuple):
    first: int
    items: tuple[Plain, ...]
    end: int | None
    at_once: bool
    operation: Operation


@dataclass
class _Log:
    appended: list[_Append] = field(default_factory=list[_Append])
    offered: list[Plain] = field(default_factory=list["Plain"])
    reads: list[ReadFact] = field(default_factory=list[ReadFact])
    readers: list[Operation] = field(default_factory=list[Operation])
    ends: list[_End] = field(default_factory=list[_End])
    counts: list[_End] = field(default_factory=list[_End])
    shortened: bool = False
    changed: set[int] = field(default_factory=set[int])


class Logs:
    """The logs of a partition, as its operations show them."""

    def __init__(self, limit: TimeLimit = UNLIMITED) -> None:
        self._limit = limit
        self._logs: dict[str, _Log] = {}
        self._removed: set[str | None] = set()

    def note(self, fact: Fact, operation: Operation) -> None:
        """Add one fact. One with a wrong number is skipped: the model refuses its operation."""
        if isinstance(fact, RemovalFact):
            self._removed.add(fact.log)
            return
        if not _has_number(fact):
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
            log.reads.append(fact._replace(items=exact(fact.items)))
            log.readers.append(operation)
        elif isinstance(fact, CountFact):
            log.counts.append((fact.items, operation))
        elif isinstance(fact, LastNumberFact):
            log.ends.append((fact.last, operation))
        elif isinstance(fact, ChangeFact):
            log.changed.update(fact.numbers)
        else:
            log.shortened = True

    def find_contradictions(self) -> list[Contradiction]:
        """Return the contradictions. A log that may have been removed and made again is skipped."""
        found: list[Contradiction] = []
        for name, log in self._limit.watch(self._logs.items()):
            if None in self._removed or name in self._removed:
                continue
            log.appended.sort(key=lambda entry: (entry[0], len(entry[1])))
            reads = list(_resolve(log))
            found.extend(_check_numbers(log))
            found.extend(self._check_contents(name, log, reads))
            found.extend(_check_batches(log, reads))
            found.extend(_check_times(log, reads))
        return found

    def _check_contents(self, name: str, log: _Log, reads: list[_Read]) -> Iterator[Contradiction]:
        written: dict[int, tuple[Plain, Operation]] = {}
        for first, items, operation in log.appended:
            self._limit.spend(len(items))
            for number, item in enumerate(items, first):
                written[number] = (item, operation)
        offered = set(log.offered)
        for read in reads:
            self._limit.spend(len(read.items))
            for number, item in enumerate(read.items, read.first):
                if number in log.changed:
                    continue
                known = written.get(number)
                if known is None:
                    if item not in offered:
                        yield self._foreign_item(name, item, number, (read.operation,))
                        break
                elif known[0] != item:
                    yield self._foreign_item(name, item, number, (known[1], read.operation))
                    break

    def _foreign_item(
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


def _has_number(
    fact: AppendFact | AttemptFact | ReadFact | CountFact | LastNumberFact | TrimFact | ChangeFact,
) -> bool:
    """Whether the number of a fact is an integer."""
    if isinstance(fact, AppendFact | ReadFact):
        return type(fact.first) is int or (fact.first is None and isinstance(fact, ReadFact))
    if isinstance(fact, CountFact | LastNumberFact):
        return type(fact[1]) is int
    if isinstance(fact, ChangeFact):
        return all(type(number) is int for number in fact.numbers)
    return isinstance(fact, AttemptFact | TrimFact)


def _resolve(log: _Log) -> Iterator[_Read]:
    """Yield the reads whose numbers are known. Replies without numbers start at 1, unless frames
    may have been removed."""
    for read, operation in zip(log.reads, log.readers, strict=True):
        first = read.first
        if first is None:
            if log.shortened:
                continue
            first = 1
        # An empty reply tells where the log ends only if nothing was ever removed.
        ends = read.to_the_end and (bool(read.items) or not log.shortened)
        end = first + len(read.items) - 1 if ends and (read.items or read.first is None) else None
        yield _Read(first, read.items, end, read.at_once, operation)


def _check_numbers(log: _Log) -> Iterator[Contradiction]:
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
    # An append without items gets no number.
    given = [operation for _, items, operation in log.appended if items]
    for one, other in inversions(given):
        text = "a number was given after a higher one"
        yield Contradiction("order inversion", text, (other, one))


def _check_batches(log: _Log, reads: list[_Read]) -> Iterator[Contradiction]:
    inside = {
        number: operation
        for first, items, operation in log.appended
        for number in range(first, first + len(items) - 1)
    }
    if not inside:
        return
    for end, operation in _ends(log, reads):
        batch = inside.get(end)
        if batch is not None:
            yield Contradiction(
                "torn batch", f"the log ended at {end}, in a batch", (batch, operation)
            )


def _ends(log: _Log, reads: list[_Read]) -> Iterator[tuple[int, Operation]]:
    """Yield the ends of the log, each at some time during an operation."""
    yield from log.ends
    if not log.shortened:
        yield from log.counts
    for read in reads:
        if read.end is not None and read.at_once:
            yield read.end, read.operation


def _check_times(log: _Log, reads: list[_Read]) -> Iterator[Contradiction]:
    """Compare reads of the end with appends, in the order of numbers."""
    appends = {id(operation) for _, _, operation in log.appended}
    placed = [
        (first + len(items) - 1, 0, operation.call, index)
        for index, (first, items, operation) in enumerate(log.appended)
        if items
    ]
    moments = list(_ends(log, reads))
    placed += [(end, 1, operation.call, i) for i, (end, operation) in enumerate(moments)]
    placed.sort()
    ordered = [
        moments[index][1] if is_read else log.appended[index][2] for _, is_read, _, index in placed
    ]
    for one, other in inversions(ordered):
        if id(one) not in appends:
            text = "an older end of the log was seen after a newer one"
            yield Contradiction("stale read", text, (other, one))
        elif id(other) not in appends:
            text = "it was seen before it was appended"
            yield Contradiction("dirty read", text, (other, one))
