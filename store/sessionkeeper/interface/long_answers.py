"""Long answers: captured in one step of the owner, made by their caller in slices.

The step that captures an answer decides what is in it, so the answer is of one moment. What was
captured never changes. Making it may take many turns of the loop, in which others run.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from types import coroutine
from typing import Any, TypeVar, overload

__all__ = [
    "FRAMES_A_SLICE",
    "LINES_A_SLICE",
    "PAUSE",
    "SLICE",
    "Captured",
    "in_slices",
    "map_in_slices",
    "pause",
]

R = TypeVar("R")

SLICE = 32
"""Number of sessions that are made in one turn of the loop: 0.1 ms on a fast machine."""
FRAMES_A_SLICE = 100
"""The same of frames; also what a watcher reads at once."""
LINES_A_SLICE = 16
"""The same of lines of an export."""
PAUSE = 4
"""Turns of the loop between two slices: about as many as a call on a store takes. With one, a call
that comes meanwhile would wait for a slice in each of its turns."""


class Captured(Sequence[R]):
    """A sequence that makes its items when they are taken, from parts that never change.

    Each is taken once, by slicing: its part is let go of then. To let go of thousands at once would
    take longer than to make a slice of them.
    """

    __slots__ = ("_make", "_parts")

    def __init__(self, make: Callable[[Sequence[Any]], list[R]], parts: list[Any]) -> None:
        """`make` makes the items of some of the parts; slicing raises what it raises.

        The list of parts must be of this sequence alone.
        """
        self._make = make
        self._parts = parts

    def __len__(self) -> int:
        return len(self._parts)

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> list[R]: ...
    def __getitem__(self, index: int | slice) -> R | list[R]:
        if not isinstance(index, slice):
            raise TypeError("its items are taken in slices")
        parts = self._parts[index]
        self._parts[index] = [None] * len(parts)
        return self._make(parts)

    def __repr__(self) -> str:
        return f"<Captured {len(self._parts)} parts>"


async def in_slices(items: Sequence[R], /) -> list[R]:
    """Return all items; those that are only captured are made a slice in a turn of the loop."""
    if isinstance(items, list):
        return items  # they are all there
    return await map_in_slices(_itself, items, size=SLICE)


async def map_in_slices(make: Callable[..., R], /, *sequences: Sequence[Any], size: int) -> list[R]:
    """Return `map(make, *sequences)` as a list, with a pause after each `size` items.

    The shortest sequence ends it. A cancellation in a pause leaves nothing behind. Raises what
    `make` raises.
    """
    made: list[R] = []
    for start in range(0, min(map(len, sequences)), size):
        if start:
            await pause()
        made += map(make, *[each[start : start + size] for each in sequences])
    return made


@coroutine
def pause() -> Generator[None]:
    """Let the loop serve others. A thread that drives a coroutine without a loop goes on."""
    for _ in range(PAUSE):
        yield


def _itself(item: R) -> R:
    return item
