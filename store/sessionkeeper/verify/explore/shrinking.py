"""Make a failing list of choices small: fewest deviations, each as little as may be."""

from __future__ import annotations

from collections.abc import Callable

from .choices import deviations, trimmed

__all__ = ["shrink"]


def shrink(choices: list[int], fails: Callable[[list[int]], list[int] | None]) -> list[int]:
    """Return choices that still fail and none of which can be dropped.

    `fails` runs choices and returns what was chosen if that failed in the same way; None if it did
    not, or if no more tries are left.
    """
    best = trimmed(choices)
    size = max(1, deviations(best))
    while True:
        dropped = _without(best, size, fails)
        if dropped is not None:
            best = dropped
            size = max(1, min(size, deviations(best)))
        elif size > 1:
            size //= 2
        else:
            return _smaller(best, fails)


def _without(
    choices: list[int], size: int, fails: Callable[[list[int]], list[int] | None]
) -> list[int] | None:
    places = [place for place, choice in enumerate(choices) if choice]
    for start in range(0, len(places), size):
        gone = set(places[start : start + size])
        # A cancellation takes no step, so nothing stands in for it.
        fewer = [
            0 if place in gone else choice
            for place, choice in enumerate(choices)
            if not (place in gone and choice < 0)
        ]
        failed = fails(trimmed(fewer))
        if failed is not None and deviations(failed) < deviations(choices):
            return trimmed(failed)
    return None


def _smaller(choices: list[int], fails: Callable[[list[int]], list[int] | None]) -> list[int]:
    best = choices
    for place in range(len(choices)):
        while place < len(best) and best[place] > 1:
            failed = fails([*best[:place], best[place] - 1, *best[place + 1 :]])
            if failed is None or deviations(failed) > deviations(best):
                break
            failed = trimmed(failed)
            if failed >= best:
                break
            best = failed
    return best
