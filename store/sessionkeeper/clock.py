"""Where a store gets the time: a wall clock for what is shown, a steady one for ages."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Clock"]


@dataclass(frozen=True, slots=True)
class Clock:
    """Two clocks, both in seconds; tests bring their own."""

    wall: Callable[[], float] = time.time
    """Seconds since the epoch. It may jump, so nothing is measured with it."""
    steady: Callable[[], float] = time.monotonic
    """Seconds since some start; never goes back."""
