"""The counters of a store: the sum of what each of its writers has counted.

One row for all would be locked by every batch until its commit, and no two processes could commit
at the same time. So each writer has a row that nobody else writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from ...operations.counters import CounterValues, StoreCounters
from .codec import DamagedRow

__all__ = ["PostgresCounters", "decode_values", "difference", "encode_values", "sum_values"]

K = TypeVar("K")

_decoder = msgspec.msgpack.Decoder(CounterValues)
_encoder = msgspec.msgpack.Encoder()


class PostgresCounters(StoreCounters):
    """The counters of a batch: they begin with those of the store, or with none if none are read.

    Revisions come from a sequence of the database. The sessions of each principal are collected as
    differences.
    """

    __slots__ = ("_draw", "_last_revision", "_read_own", "own_sessions")

    def __init__(self, draw: Callable[[], tuple[int, int]], read_own: Callable[[str], int]) -> None:
        super().__init__()
        self._draw = draw
        self._read_own = read_own
        self.begin(CounterValues())

    def begin(self, values: CounterValues) -> None:
        """Begin a batch with these values."""
        self.restore(values)
        self.own_sessions: Counter[str] = Counter()
        """By how many the sessions of each principal grew."""
        self._last_revision = 0

    def next_revision(self) -> int:
        """Take a revision of those drawn for this batch, after its sessions were locked.

        So revisions of a session grow, and those of an operation that began after another one was
        answered are higher. They skip numbers.
        """
        if self._revision >= self._last_revision:
            self._revision, self._last_revision = self._draw()
        return super().next_revision()

    def count_own_sessions(self, principal: str) -> int:
        """Read how many sessions belong to a principal."""
        return self._read_own(principal)

    def _count_in(self, principal: str) -> None:
        self.own_sessions[principal] += 1

    def _count_out(self, principal: str) -> None:
        self.own_sessions[principal] -= 1


def encode_values(values: CounterValues) -> bytes:
    """Make the bytes for a row."""
    return _encoder.encode(values)


def decode_values(encoded: bytes) -> CounterValues:
    """Read the bytes of `encode_values`. Raises `DamagedRow`."""
    try:
        return _decoder.decode(encoded)
    except (msgspec.MsgspecError, ValueError):
        raise DamagedRow("what a writer counted") from None


def sum_values(some: Iterable[CounterValues]) -> CounterValues:
    """Add counters up."""
    total = CounterValues()
    for each in some:
        total = _combine(total, each, 1)
    return total


def difference(after: CounterValues, before: CounterValues) -> CounterValues:
    """Return by how much counters grew."""
    return _combine(after, before, -1)


def _combine(one: CounterValues, other: CounterValues, sign: int) -> CounterValues:
    return CounterValues(
        0,
        one.created + sign * other.created,
        _combine_each(one.removed_sessions, other.removed_sessions, sign),
        _combine_each(one.ended, other.ended, sign),
        _combine_each(one.states, other.states, sign),
        one.added + sign * other.added,
        one.removed + sign * other.removed,
        one.dropped + sign * other.dropped,
        one.bytes + sign * other.bytes,
        one.odd + sign * other.odd,
        one.gaps + sign * other.gaps,
        one.contents_removed + sign * other.contents_removed,
    )


def _combine_each(one: dict[K, int], other: dict[K, int], sign: int) -> dict[K, int]:
    found = {key: one.get(key, 0) + sign * other.get(key, 0) for key in {**one, **other}}
    return {key: count for key, count in found.items() if count}
