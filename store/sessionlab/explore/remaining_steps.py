"""How many steps each lane still has, as far as earlier runs have shown; and a draw by that.

Of lanes with fixed numbers of steps, all of them ready, an order is drawn evenly among all orders
if the next lane is drawn in proportion to the steps it has left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

from .lanes import Ready

__all__ = ["RemainingSteps"]


class RemainingSteps:
    """Learns from each run."""

    def __init__(self) -> None:
        self._most: Counter[int] = Counter()
        self._taken: Counter[int] = Counter()

    def begin(self) -> None:
        """Begin a run, and learn from the one before."""
        self._most |= self._taken
        self._taken.clear()

    def take(self, lane: int) -> None:
        """Count a step of a lane."""
        self._taken[lane] += 1

    def draw(self, ready: Ready, places: Sequence[int], rng: Random) -> tuple[int, float]:
        """Draw one of the places by the steps their lanes have left; return it with its chance.

        A negative place, which cancels a task, counts as one step.
        """
        if len(places) == 1:
            return places[0], 1.0
        left = [self._left(ready[place].lane) if place >= 0 else 1 for place in places]
        drawn = rng.random() * sum(left)
        for place, weight in zip(places, left, strict=True):
            drawn -= weight
            if drawn < 0:
                return place, weight / sum(left)
        return places[-1], left[-1] / sum(left)

    def _left(self, lane: int) -> int:
        return max(1, self._most[lane] - self._taken[lane])
