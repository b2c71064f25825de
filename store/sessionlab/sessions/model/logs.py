"""Frame logs as numbers: equal logs have the same number, and an append costs one look-up.

A model with tuples would copy a log for every append; here a state has one `int` per log.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

__all__ = ["EMPTY", "Item", "LogTree"]

Item: TypeAlias = "tuple[str, ...]"

EMPTY = 0
_STRIDE = 256


class LogTree:
    """All logs that a model has met, as a tree: each is a shorter log plus one item."""

    __slots__ = ("_items", "_longer", "_milestones", "_shorter")

    def __init__(self) -> None:
        self._shorter = [EMPTY]
        self._items: list[Item] = [()]
        self._longer: dict[tuple[int, Item], int] = {}
        self._milestones: dict[int, int] = {EMPTY: EMPTY}
        """The log that is 256 items shorter, for logs whose length is a multiple of 256."""

    def append(self, log: int, length: int, item: Item) -> int:
        """Return the log plus one item; `length` is its length before. O(1)."""
        key = (log, item)
        longer = self._longer.get(key)
        if longer is None:
            longer = self._longer[key] = len(self._items)
            self._items.append(item)
            self._shorter.append(log)
            if not (length + 1) % _STRIDE:
                self._milestones[longer] = self.prefix(longer, length + 1, length + 1 - _STRIDE)
        return longer

    def prefix(self, log: int, length: int, wanted: int) -> int:
        """Return the log's first `wanted` items. O(256 + length / 256)."""
        shorter, milestones = self._shorter, self._milestones
        while length > wanted:
            if length - wanted >= _STRIDE and log in milestones:
                log = milestones[log]
                length -= _STRIDE
            else:
                log = shorter[log]
                length -= 1
        return log

    def with_changes(
        self, log: int, length: int, wanted: Collection[int], change: Callable[[Item], Item]
    ) -> tuple[int, int]:
        """Change the items with these numbers; return the log, and how many became other items.

        Numbers begin at 1. O(items from the first of them to the end).
        """
        first = min(wanted, default=length + 1)
        items: list[Item] = []
        for _ in range(first, length + 1):
            items.append(self._items[log])
            log = self._shorter[log]
        changed = 0
        for number, item in enumerate(reversed(items), first):
            new = change(item) if number in wanted else item
            changed += new != item
            log = self.append(log, number - 1, new)
        return log, changed

    def items(self, log: int, length: int, first: int) -> list[Item]:
        """Return the items from number `first` on; numbers begin at 1. O(items)."""
        found: list[Item] = []
        for _ in range(first, length + 1):
            found.append(self._items[log])
            log = self._shorter[log]
        return found[::-1]

    def ends_with(self, log: int, items: Sequence[Item]) -> bool:
        """Whether the last items are these. O(items)."""
        held, shorter = self._items, self._shorter
        for item in reversed(items):
            if log == EMPTY or held[log] != item:
                return False
            log = shorter[log]
        return True
