"""Merges the orders of all partitions into one that agrees with their shared counter.

Each partition has a valid order of its own. They can be merged if no operation has to come both
before and after another: by its partition's order, by real time, or because a number was given
before operations that show the counter at that number. Kahn's algorithm, O(n log n). If there is no
merged order, other orders of the partitions may still have one: then all are searched as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from ..time_limit import UNLIMITED, TimeLimit

__all__ = ["CounterStep", "stuck_partitions"]


class CounterStep(NamedTuple):
    """An operation in its partition's order: times, and how it uses the counter."""

    call: int
    end: int
    given: int | None
    reached: int | None


def stuck_partitions(
    orders: Sequence[Sequence[CounterStep]], limit: TimeLimit = UNLIMITED
) -> set[int]:
    """Return the numbers of the partitions whose orders cannot be merged; empty if all can."""
    return _Merge(orders, limit).run()


class _Merge:
    def __init__(self, orders: Sequence[Sequence[CounterStep]], limit: TimeLimit) -> None:
        self._limit = limit
        self._orders = orders
        self._done = [0] * len(orders)
        """By partition: how many of its operations are placed."""
        places = [(which, i) for which, order in enumerate(orders) for i in range(len(order))]
        self._ends = sorted(places, key=lambda place: self._at(place).end)
        self._first_end = 0
        self._given = sorted(
            (place for place in places if self._at(place).given is not None),
            key=lambda place: self._at(place).given or 0,
        )
        self._first_given = 0
        self._early: list[tuple[int, int]] = []
        """Partitions whose next operation was called too late to come now, as (call, partition)."""
        self._high: list[tuple[int, int]] = []
        """Partitions whose next operation shows a number above one that is not given yet, as
        (number, partition)."""
        self._too_high: dict[int, int] = {}
        """The same by partition; an entry of the heap that is not here no longer waits."""

    def run(self) -> set[int]:
        """Place operations until all are placed, or none can be."""
        going = list(range(len(self._orders)))
        while going:
            for partition in going:
                self._advance(partition)
            going = self._take_freed()
        return {
            partition
            for partition, order in enumerate(self._orders)
            if self._done[partition] < len(order)
        }

    def _at(self, place: tuple[int, int]) -> CounterStep:
        return self._orders[place[0]][place[1]]

    def _advance(self, partition: int) -> None:
        """Place operations of a partition up to the first one that has to wait."""
        order = self._orders[partition]
        while self._done[partition] < len(order):
            self._limit.spend(1)
            placed = order[self._done[partition]]
            if placed.call > self._earliest_end():
                heappush(self._early, (placed.call, partition))
                return
            if placed.reached is not None and self._is_too_high(partition, placed.reached):
                heappush(self._high, (placed.reached, partition))
                self._too_high[partition] = placed.reached
                return
            self._done[partition] += 1

    def _take_freed(self) -> list[int]:
        """Return the partitions that no longer wait."""
        freed: list[int] = []
        end = self._earliest_end()
        while self._early and self._early[0][0] <= end:
            freed.append(heappop(self._early)[1])
        lowest = self._lowest_given()
        while self._high and (lowest is None or self._high[0][0] < self._number(lowest)):
            number, partition = heappop(self._high)
            if self._too_high.get(partition) == number:
                del self._too_high[partition]
                freed.append(partition)
        if lowest is not None and lowest[0] in self._too_high:
            # It does not have to wait for its own number.
            partition = lowest[0]
            if not self._is_too_high(partition, self._too_high[partition]):
                del self._too_high[partition]
                freed.append(partition)
        return freed

    def _earliest_end(self) -> int:
        while self._first_end < len(self._ends) and self._is_placed(self._ends[self._first_end]):
            self._first_end += 1
        ends = self._ends
        return self._at(ends[self._first_end]).end if self._first_end < len(ends) else 1 << 62

    def _lowest_given(self) -> tuple[int, int] | None:
        given = self._given
        while self._first_given < len(given) and self._is_placed(given[self._first_given]):
            self._first_given += 1
        return given[self._first_given] if self._first_given < len(given) else None

    def _is_too_high(self, partition: int, number: int) -> bool:
        """Whether another operation still has to be given a number up to this one."""
        self._lowest_given()
        own = (partition, self._done[partition])
        for index in range(self._first_given, len(self._given)):
            self._limit.spend(1)
            place = self._given[index]
            if self._number(place) > number:
                return False
            if place != own and not self._is_placed(place):
                return True
        return False

    def _number(self, place: tuple[int, int]) -> int:
        given = self._at(place).given
        return 0 if given is None else given

    def _is_placed(self, place: tuple[int, int]) -> bool:
        return place[1] < self._done[place[0]]
