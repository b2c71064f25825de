"""Shrinks a failing list of choices: the fewest deviations, each as small as possible."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from .choices import deviations, trim_zeros

__all__ = ["Fails", "shrink"]

Fails: TypeAlias = "Callable[[list[int]], list[int] | None]"
"""Runs choices; returns the choices made if the run failed in the same way, else None."""


def shrink(choices: list[int], fails: Fails, tries: int) -> list[int]:
    """Return the smallest choices found that still fail, in so many tries at most.

    Unless the tries run out, no single deviation can be left out.
    """
    best = trim_zeros(choices)
    found = True
    while found:
        found = False
        for smaller in _smaller(best):
            tries -= 1
            if tries < 0:
                return best
            failed = fails(smaller)
            if failed is not None and _size(failed) < _size(best):
                best, found = trim_zeros(failed), True
                break
    return best


def _size(choices: list[int]) -> tuple[int, int, int]:
    return deviations(choices), sum(map(abs, choices)), len(trim_zeros(choices))


def _smaller(choices: list[int]) -> Iterator[list[int]]:
    """Yield smaller choices to try, the smallest first."""
    places = [place for place, choice in enumerate(choices) if choice]
    size = len(places)
    while size:
        for start in range(0, len(places), size):
            removed = set(places[start : start + size])
            yield [
                0 if place in removed else choice
                for place, choice in enumerate(choices)
                # A cancellation takes no step, so it is removed, not replaced.
                if not (place in removed and choice < 0)
            ]
        size //= 2
    for place in places:  # without the step, the later ones move up
        yield choices[:place] + choices[place + 1 :]
    for place in range(len(choices)):
        if choices[place] == 0:
            yield choices[:place] + choices[place + 1 :]
    for place in places:
        for less in {1, choices[place] // 2, choices[place] - 1}:
            if 0 < less < choices[place]:
                yield [*choices[:place], less, *choices[place + 1 :]]
