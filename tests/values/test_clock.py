"""Moments in whole microseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from sessionkeeper.values.clock import micros

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def test_a_moment_compares_as_it_is_shown() -> None:
    """Rounding the product of all seconds differs from the moment shown one time in eight."""
    random = Random(1)
    for _ in range(10_000):
        seconds = 1_790_000_000 + random.random() * 1e6
        shown = datetime.fromtimestamp(seconds, UTC)
        assert micros(seconds) == (shown - EPOCH) // timedelta(microseconds=1)
        assert micros(shown.timestamp()) == micros(seconds)


def test_moments_keep_their_order() -> None:
    """Before the epoch too, and at the edge of a second."""
    moments = [-1.5, -1e-6, 0.0, 0.4e-6, 0.9999994, 0.9999996, 1.0, 1e9, 2.0**52, float("inf")]
    assert [micros(each) for each in moments] == sorted(map(micros, moments))
