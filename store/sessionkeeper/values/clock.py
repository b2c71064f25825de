"""The clocks of a store: a wall clock for times that are shown, a steady one for ages."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import modf

__all__ = ["MAX_CLOCK_DIFFERENCE", "Clock", "in_utc", "micros", "moment_micros", "moment_of"]

MAX_CLOCK_DIFFERENCE = 300.0
"""Seconds that a time of an archive may lie in the future: clocks of two machines differ."""

_ENDLESS = float(2**53)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """Two clocks, both in seconds; tests provide their own."""

    wall: Callable[[], float] = time.time
    """Seconds since the epoch. It may jump, so nothing is measured with it."""
    steady: Callable[[], float] = time.monotonic
    """Seconds since an arbitrary start; never goes back."""


def micros(seconds: float) -> float:
    """Return whole microseconds: every backend compares moments, and finds ties, in this unit.

    A moment is rounded as `datetime.fromtimestamp` rounds it, so that it compares as it is shown;
    multiplying all its seconds would round twice. More than 2⁵³ seconds count as infinite.
    """
    if not -_ENDLESS < seconds < _ENDLESS:
        return seconds
    fraction, whole = modf(seconds)
    return int(whole) * 1_000_000 + round(fraction * 1e6)


def moment_micros(moment: datetime) -> int:
    """Return a moment in microseconds since the epoch: exact, unlike a float."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def moment_of(microseconds: int) -> datetime:
    """Return the moment of `moment_micros`, in UTC. Raises `OverflowError`, `TypeError`."""
    return _EPOCH + timedelta(microseconds=microseconds)


def in_utc(moment: datetime) -> datetime:
    """Return the same moment in UTC, without what a subclass may have added.

    Raises `ValueError` for a moment that has no date in UTC.
    """
    try:
        return moment_of(moment_micros(moment))
    except OverflowError:
        raise ValueError("the moment is not within the years 1 to 9999") from None
